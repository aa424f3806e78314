"""Streams nested in a stream: `zip` pulls one item after the other from each of its two streams.

    stream --NestedStream--> zip <--NestedStream-- stream      each with its own source, segments and flow control
                              |
                              v
                       the outer stream, or the sink

They are pulled on the caller's thread, where the sources run; only there may anything block.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol


class Driver(Protocol):
    """Runs a stream turn by turn; see `StreamDriver`, `LocalDriver` and `AdaptiveDriver`."""

    def advance(self) -> bool: ...

    def release(self, nbytes: float) -> None: ...

    def rest(self) -> None: ...

    def close(self) -> None: ...


class NestedStream:
    """An iterator over the results of a stream, with `close`."""

    def __init__(self, driver: Driver, waiting: deque[tuple[object, float]], check: Callable[[], None]) -> None:
        """The driver appends results to `waiting`; `check` raises when an outer stream needs no more of them."""
        self._driver = driver
        self._waiting = waiting
        self._check = check
        self._more = True
        self._error: Exception | None = None
        self._closed = False

    def __iter__(self) -> Iterator[object]:
        return self._all()

    def __next__(self) -> object:
        self._fill()
        if not self._waiting:
            raise StopIteration
        value, nbytes = self._waiting.popleft()
        self._driver.release(nbytes)
        self._driver.rest()
        return value

    def _all(self) -> Iterator[object]:
        """Yield all results, faster than `__next__` for each."""
        fill, waiting = self._fill, self._waiting
        take, release, rest = waiting.popleft, self._driver.release, self._driver.rest
        try:
            while True:
                fill()
                if not waiting:
                    return
                while waiting:
                    value, nbytes = take()
                    release(nbytes)
                    # The caller returns to the outer stream.
                    rest()
                    yield value
        finally:
            self.close()

    def _fill(self) -> None:
        """Advance the stream until a result waits, or none is left."""
        while not self._waiting:
            if self._error is not None:
                raise self._error
            if not self._more:
                self.close()
                return
            self._check()
            try:
                self._more = self._driver.advance()
            except Exception as error:
                # Results that came before it are yielded before it is raised.
                self._error = error

    def close(self) -> None:
        """End the stream once, its source first."""
        self._more = False
        if not self._closed:
            self._closed = True
            self._waiting.clear()
            self._driver.close()
