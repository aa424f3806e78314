"""Streams that are pulled: by a `zip`, which asks each of its two for one item after the other.

    stream --Pulled--> zip <--Pulled-- stream         each with its own source, window and legs
                        |
                        v
                     the stream that pulls, or the ending

They are asked on the thread of the caller, where sources are, and only there may anybody wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol

from daglite.runtime.streams.company import Company
from daglite.runtime.streams.source import Closable, close_all

__all__ = ["Drawn", "Flowing", "Nest", "Pulled"]


class Drawn(Protocol):
    """What a stream that pulls others must tell of itself."""

    def claimed(self) -> int:
        """Items that it has, and such as it is asking for."""
        ...

    def check(self) -> None:
        """Raise the error that ends it, if there is one."""
        ...


class Flowing(Protocol):
    """A flow, see there."""

    def advance(self) -> bool: ...

    def release(self, nbytes: float) -> None: ...

    def rest(self) -> None: ...

    def close(self) -> None: ...


class Nest:
    """Where a stream stands: in what company, and who pulls it (`outer`; None: nobody).

    `flow` is its own, once it has one with workers; `share` the number of streams that share the bytes of a window.
    """

    def __init__(self, company: Company, outer: Nest | None = None, *, share: int = 1) -> None:
        self.company = company
        self.outer = outer
        self.share = share
        self.flow: Drawn | None = None
        self.pulled: list[Closable] = []

    def within(self) -> Nest:
        """The place of one that this stream pulls."""
        return Nest(self.company, self, share=self.share)

    def taken(self) -> int:
        """Places of a window that those who pull have taken, but for that of the item they ask for."""
        return 0 if self.outer is None else self.outer.claimed() + self.outer.taken()

    def claimed(self) -> int:
        """See `taken`."""
        return 0 if self.flow is None else self.flow.claimed()

    def check(self) -> None:
        """Raise what has ended one of those who pull: they do not want an item any more."""
        if self.outer is not None:
            if self.outer.flow is not None:
                self.outer.flow.check()
            self.outer.check()

    def close(self) -> None:
        """End all that is pulled here."""
        close_all(self.pulled)


class Pulled:
    """The results of a stream, one after the other: an iterator with `close`."""

    def __init__(self, flow: Flowing, waiting: deque[tuple[object, float]], check: Callable[[], None]) -> None:
        """`waiting` is where the flow puts its results; `check` raises when nobody wants them any more."""
        self._flow = flow
        self._waiting = waiting
        self._check = check
        self._more = True
        self._error: Exception | None = None
        self._closed = False

    def __iter__(self) -> Iterator[object]:
        return self._all()

    def __next__(self) -> object:
        self._draw()
        if not self._waiting:
            raise StopIteration
        value, nbytes = self._waiting.popleft()
        self._flow.release(nbytes)
        self._flow.rest()
        return value

    def _all(self) -> Iterator[object]:
        """All of them, quicker than asked for one by one."""
        draw, waiting = self._draw, self._waiting
        take, release, rest = waiting.popleft, self._flow.release, self._flow.rest
        try:
            while True:
                draw()
                if not waiting:
                    return
                while waiting:
                    value, nbytes = take()
                    release(nbytes)
                    # The caller is away again, with whoever pulls.
                    rest()
                    yield value
        finally:
            self.close()

    def _draw(self) -> None:
        """See that there is something, if anything is left."""
        while not self._waiting:
            if self._error is not None:
                raise self._error
            if not self._more:
                self.close()
                return
            self._check()
            try:
                self._more = self._flow.advance()
            except Exception as error:
                # What came before it is given before it.
                self._error = error

    def close(self) -> None:
        """End the stream, its source first; once."""
        self._more = False
        if not self._closed:
            self._closed = True
            self._waiting.clear()
            self._flow.close()
