"""The source of a stream: its iterator, its saves, and the capture of each item at the moment it is yielded."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from types import FrameType
from typing import Protocol

from daglite.exceptions import Failure, TransferError
from daglite.runtime.dataflow.saves import Saver
from daglite.runtime.kernel.errors import blame, raise_blamed, short_repr
from daglite.runtime.kernel.steps import BoundStep
from daglite.runtime.serialization.batch_format import SCALARS, SMALL, Unloadable
from daglite.runtime.serialization.codec import ItemCodec
from daglite.task_context import CurrentCall, register_reader

# The longest pull, in seconds.
_LONGEST = 0.005


class IndexLookup(Protocol):
    """The indices of items by their places."""

    def __getitem__(self, place: int, /) -> int: ...


class Closable(Protocol):
    """What can be ended."""

    def close(self) -> None: ...


def close_all(several: Sequence[Closable]) -> None:
    """Close them in this order, each of them although one before it raises; the last error is raised."""
    with contextlib.ExitStack() as closing:
        for one in reversed(several):
            closing.callback(one.close)


class Source:
    """Items in the coordinator. `count` is how many have come so far, `finished` whether there are no more."""

    def __init__(
        self,
        items: Iterator[object],
        *,
        name: str,
        number: int,
        saver: Saver | None,
        codec: ItemCodec | None,
        indices: IndexLookup | None = None,
    ) -> None:
        """`codec` None shares items as they are: for runtimes that do not cross processes.

        `indices` are what the items are known by where that is not their place: a filter before this stream has made
        gaps.
        """
        self.name = name
        self.number = number
        self.count = 0
        self.finished = False
        self.items = items
        self.indices = indices
        self.saver = saver
        self._codec = codec
        self._size: Callable[[object], int] = codec.size if codec is not None else _weightless
        # The step of the generator, where there is one.
        self.step: BoundStep | None = None
        # How many items there are in all, where that is known.
        self.total: int | None = None
        # Whether all that came are small values that are their own cells; and the bytes of all that are not.
        self.plain = True
        self.nbytes = 0
        # What each of these was counted with: a shared object may weigh something else later.
        self._weights: deque[int] = deque()
        # What is pulled beside it.
        self.beside: Sequence[Closable] = ()
        # The types that a pull passes on without a look at the clock, and the one that it expects, as most sources give
        # only one; none of them while it is in a hurry.
        self._waved = set[type]()
        self._expected: type | None = None

    def pull(self, want: int, cells: list[object], room: int, *, watched: bool) -> None:
        """Ask for `want` items. Each is saved, captured and put behind the `cells` before the next is asked for.

        It stops before that when 5 ms have passed, or when `room` bytes have been captured: what was learnt of the
        source while it was fast, or its items small, may not hold any more. `watched`: another thread calls `hurry`
        when it lasts, so cheap items need no look at the clock, which costs as much as they do. Raises what the
        generator, a save or the capture raises; the source is finished then. Nobody else changes how many cells there
        are meanwhile: they are counted instead of the items, which costs a fifth of a trivial one.
        """
        saver, captured, size, behind = self.saver, self.captured, self._size, self.count - len(cells)
        waved = self._waved = set(SMALL) if watched and saver is None else set()
        self._expected = None
        deadline, most = time.perf_counter() + _LONGEST, self.count + want
        try:
            for item in islice(self.items, want):
                if type(item) is self._expected:
                    cells.append(item)
                    continue
                if type(item) in waved:
                    cells.append(item)
                    self._expected = type(item)
                    continue
                count = behind + len(cells)
                if saver is not None:
                    saver(count, item)
                cell = item if type(item) in SCALARS else captured(item, count)
                if type(cell) not in SMALL:
                    self.plain = False
                    nbytes = size(cell)
                    self.nbytes += nbytes
                    self._weights.append(nbytes)
                    room -= nbytes
                cells.append(cell)
                if room <= 0 or time.perf_counter() > deadline:
                    break
            else:
                if behind + len(cells) < most:
                    self.finished = True
        except BaseException as error:
            self.finished = True
            if isinstance(error, Exception):
                blame(error, Failure(self.name, self.number))
            raise
        finally:
            self.count = behind + len(cells)

    def at_work(self) -> CurrentCall | None:
        """The generator that gives the items, as something at work; mapped values are none."""
        return None if self.step is None else CurrentCall(self.name, self.step.seed, self.step.spot, None)

    def use(self, codec: ItemCodec) -> None:
        """From here on capture with this codec: that of the workers to which the rest goes."""
        self._codec, self._size = codec, codec.size

    def more(self) -> int | None:
        """How many items are still to come, where that is known."""
        return None if self.total is None else max(0, self.total - self.count)

    def weigh(self, cells: Iterable[object]) -> int:
        """The bytes that these cells were counted with when they came; in the order of the source, each once."""
        return sum([self._weights.popleft() for cell in cells if type(cell) not in SMALL])

    def hurry(self) -> None:
        """End the pull under way with the item it is at; called from another thread."""
        self._waved.clear()
        self._expected = None

    def close(self) -> None:
        """Close the generator, so that its `finally` has run; one that is running right now is left alone."""
        self.finished = True
        close = getattr(self.items, "close", None)
        try:
            if close is not None:
                close()
        except ValueError as error:
            if "already executing" not in str(error):
                raise

    def end(self) -> None:
        """Close the generator, and what is pulled beside it: nobody is at work on what came any more."""
        close_all([self, *self.beside])

    def index_of(self, place: int) -> int:
        """The index by which users know the item at this place."""
        return place if self.indices is None else self.indices[place]

    def captured(self, item: object, index: int) -> object:
        """The item as a cell, pickled now; items are shared as they are where there is no codec."""
        if self._codec is None:
            return item
        try:
            return self._codec.capture(item)
        except TransferError as error:
            index = self.index_of(index)
            told = TransferError(f"item {index} of task '{self.name}' cannot be sent to a worker: {error}")
            blame(told, Failure(self.name, self.number, index, short_repr(item)))
            raise told from error

    def copied(self, item: object, index: int) -> object:
        """The item as it was when it was yielded, whatever the generator does with its buffer afterwards."""
        if self._codec is None:
            return item
        value = self._codec.restore(self.captured(item, index))
        if isinstance(value, Unloadable):
            index = self.index_of(index)
            error = TransferError(f"item {index} of task '{self.name}' cannot be loaded: {value.reason}")
            raise_blamed(error, Failure(self.name, self.number, index))
        return value


def _at_source(frame: FrameType) -> CurrentCall | None:
    source: Source = frame.f_locals["self"]
    return source.at_work()


register_reader(Source.pull, _at_source)


def _weightless(_: object) -> int:
    return 0
