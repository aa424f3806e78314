"""The source of a stream: its iterator, its saves, and the capture of each item at the moment it is yielded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from daglite.exceptions import Failure, TransferError
from daglite.runtime.failures import blame, short_repr
from daglite.runtime.saving import Saver
from daglite.runtime.wire import SCALARS, Codec

__all__ = ["Source"]


class Source:
    """Items in the coordinator. `count` is how many have come so far, `finished` whether there are no more."""

    def __init__(
        self, items: Iterator[object], *, name: str, number: int, saver: Saver | None, codec: Codec | None
    ) -> None:
        """`codec` None shares items as they are: for runtimes that do not cross processes."""
        self.name = name
        self.number = number
        self.count = 0
        self.finished = False
        self._items = items
        self._saver = saver
        self._codec = codec

    def pull(self, want: int, append: Callable[[object], None]) -> None:
        """Ask for `want` items. Each is saved, captured and appended before the next is asked for.

        Raises what the generator, a save or the capture raises; the source is finished then.
        """
        saver, count, start = self._saver, self.count, self.count
        capture = self._capture if self._codec is not None else None
        try:
            for item in islice(self._items, want):
                self.count = count = count + 1
                if saver is not None:
                    saver(count - 1, item)
                append(item if capture is None or type(item) in SCALARS else capture(item))
        except BaseException as error:
            self.finished = True
            if isinstance(error, Exception):
                blame(error, Failure(self.name, self.number))
            raise
        if count - start < want:
            self.finished = True

    def close(self) -> None:
        """Close the generator, so that its `finally` has run; one that is running right now is left alone."""
        self.finished = True
        close = getattr(self._items, "close", None)
        if close is None:
            return
        try:
            close()
        except ValueError as error:
            if "already executing" not in str(error):
                raise

    def _capture(self, item: object) -> object:
        assert self._codec is not None
        try:
            return self._codec.capture(item)
        except TransferError as error:
            told = TransferError(f"item {self.count - 1} of task '{self.name}' cannot be sent to a worker: {error}")
            blame(told, Failure(self.name, self.number, self.count - 1, short_repr(item)))
            raise told from error
