"""The source of a stream: its iterator, its saves, and the serialization of each item when it is yielded."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from types import FrameType
from typing import NoReturn, Protocol

from daglite.exceptions import Failure, TransferError
from daglite.runtime.dataflow.saves import Saver
from daglite.runtime.kernel.bound_step import BoundStep
from daglite.runtime.kernel.errors import attach_facts, raise_with_failure, short_repr
from daglite.runtime.kernel.timers import StepTimer, TimedItems
from daglite.runtime.serialization.batch_format import SCALARS, SMALL, Unloadable
from daglite.runtime.serialization.codec import ItemCodec
from daglite.task_context import CurrentCall, register_reader

# The longest pull, in seconds.
_LONGEST_PULL = 0.005


class IndexLookup(Protocol):
    """The indices of items by their positions in the stream."""

    def __getitem__(self, place: int, /) -> int: ...


class Closable(Protocol):
    """An object with a method `close`."""

    def close(self) -> None: ...


def close_all(closables: Sequence[Closable]) -> None:
    """Close all in this order, also after an error; the last error is raised."""
    with contextlib.ExitStack() as stack:
        for closable in reversed(closables):
            stack.callback(closable.close)


def close_items(items: object) -> None:
    """Close an iterator that has a method `close`."""
    close = getattr(items, "close", None)
    if close is not None:
        close()


class Source:
    """Items in the coordinator. `count` is the number of items so far, `finished` whether there are no more."""

    def __init__(
        self,
        items: Iterator[object],
        *,
        name: str,
        number: int,
        codec: ItemCodec | None = None,
        indices: IndexLookup | None = None,
    ) -> None:
        """Without `codec` items are not serialized, for runtimes in this process.

        `indices` are given where the index of an item is not its position, because a filter before this stream has
        left gaps.
        """
        self.name = name
        self.number = number
        self.count = 0
        self.finished = False
        self.items = items
        self.indices = indices
        # Saves each item before it goes on.
        self.saver: Saver | None = None
        self._codec = codec
        self._size: Callable[[object], int] = codec.size_of if codec is not None else _no_size
        # The step of the generator, where there is one.
        self.step: BoundStep | None = None
        # How many items there are in all, where that is known.
        self.total: int | None = None
        # Whether all items so far are small values that need no serialization; and the bytes of all others.
        self.plain = True
        self.nbytes = 0
        # The sizes with which these were counted: a shared object may have another size later.
        self._sizes: deque[int] = deque()
        # Nested streams that operators pull.
        self.nested: Sequence[Closable] = ()
        # The types of items that a pull passes on without reading the clock, and the one that it expects, as most
        # sources yield only one; empty and None while the pull must be short.
        self._small_types = set[type]()
        self._last_type: type | None = None

    @property
    def serializes(self) -> bool:
        """Whether items are serialized, for workers or to be copied."""
        return self._codec is not None

    def pull(self, want: int, batch: list[object], room: int, *, watched: bool) -> None:
        """Pull up to `want` items; save, serialize and append each to `batch` before the next is pulled.

        A pull stops after 5 ms, or after `room` serialized bytes: what was measured while the source was fast, or its
        items small, may have changed. If `watched`, another thread calls `hurry` when the pull takes long, so that
        cheap items need no reading of the clock, which costs as much as they do. Raises an error of the generator, a
        save or the serialization; then the source is finished. No other thread changes the length of `batch`
        meanwhile: items are counted by it, which costs a fifth of a trivial item.
        """
        saver, serialized, size, before = self.saver, self.serialized, self._size, self.count - len(batch)
        small_types = self._small_types = set(SMALL) if watched and saver is None else set()
        self._last_type = None
        deadline, most = time.perf_counter() + _LONGEST_PULL, self.count + want
        try:
            for item in islice(self.items, want):
                if type(item) is self._last_type:
                    batch.append(item)
                    continue
                if type(item) in small_types:
                    batch.append(item)
                    self._last_type = type(item)
                    continue
                count = before + len(batch)
                if saver is not None:
                    saver(count, item)
                value = item if type(item) in SCALARS else serialized(item, count)
                if type(value) not in SMALL:
                    self.plain = False
                    nbytes = size(value)
                    self.nbytes += nbytes
                    self._sizes.append(nbytes)
                    room -= nbytes
                batch.append(value)
                if room <= 0 or time.perf_counter() > deadline:
                    break
            else:
                if before + len(batch) < most:
                    self.finished = True
        except BaseException as error:
            self.finished = True
            if isinstance(error, Exception):
                attach_facts(error, Failure(self.name, self.number))
            raise
        finally:
            self.count = before + len(batch)

    def front(self, *, copied: bool = False, timer: StepTimer | None = None) -> Iterator[object]:
        """Yield the items to an operator in this process: saved and, if `copied`, each as a copy.

        `timer` measures all of that.
        """
        copied = copied and self.serializes
        items = self._front(copied=copied) if copied or self.saver is not None else self.named(self.items)
        return items if timer is None else TimedItems(items, timer)

    def named(self, items: Iterator[object]) -> Iterator[object]:
        """Yield items of this source as they are; an error gets the facts of the source."""
        try:
            yield from items
        except Exception as error:
            attach_facts(error, Failure(self.name, self.number))
            raise

    def _front(self, *, copied: bool) -> Iterator[object]:
        saver, place = self.saver, 0
        try:
            for item in self.items:
                if saver is not None:
                    saver(place, item)
                yield self.copied(place, item) if copied and type(item) not in SCALARS else item
                place += 1
        except Exception as error:
            attach_facts(error, Failure(self.name, self.number))
            raise

    def at_work(self) -> CurrentCall | None:
        """Return the generator as the current call; None for values that are mapped over."""
        return None if self.step is None else CurrentCall(self.name, self.step.seed, self.step.step_id, None)

    def use(self, codec: ItemCodec) -> None:
        """Serialize the remaining items with the codec of the workers to which the stream has moved."""
        self._codec, self._size = codec, codec.size_of

    def more(self) -> int | None:
        """Return how many items are still to come, where that is known."""
        return None if self.total is None else max(0, self.total - self.count)

    def counted_bytes(self, batch: Iterable[object]) -> int:
        """Return the bytes with which `pull` counted these items; call it in source order, once for each item."""
        return sum([self._sizes.popleft() for item in batch if type(item) not in SMALL])

    def hurry(self) -> None:
        """End the pull in progress after its current item; called from another thread."""
        self._small_types.clear()
        self._last_type = None

    def close(self) -> None:
        """Close the generator, so that its `finally` blocks run; one that is running now is left alone."""
        self.finished = True
        try:
            close_items(self.items)
        except ValueError as error:
            if "already executing" not in str(error):
                raise

    def end(self) -> None:
        """Close the generator, and the nested streams: no item of them is in use any more."""
        close_all([self, *self.nested])

    def index_of(self, place: int) -> int:
        """Return the index by which users know the item at this position."""
        return place if self.indices is None else self.indices[place]

    def serialized(self, item: object, place: int) -> object:
        """Return the item serialized; without a codec, the item itself."""
        if self._codec is None:
            return item
        try:
            return self._codec.serialize(item)
        except TransferError as error:
            index = self.index_of(place)
            message = f"item {index} of task '{self.name}' cannot be sent to a worker: {error}"
            transfer_error = TransferError(message)
            attach_facts(transfer_error, Failure(self.name, self.number, index, short_repr(item)))
            raise transfer_error from error

    def copied(self, place: int, item: object) -> object:
        """Return a copy of the item, so that the generator may reuse its buffers; without a codec, the item itself."""
        if self._codec is None:
            return item
        value = self._codec.deserialize(self.serialized(item, place))
        if isinstance(value, Unloadable):
            self.refuse(place, value)
        return value

    def refuse(self, place: int, value: Unloadable) -> NoReturn:
        """Raise the error of an item whose copy cannot be loaded."""
        index = self.index_of(place)
        error = TransferError(f"item {index} of task '{self.name}' cannot be loaded: {value.reason}")
        raise_with_failure(error, Failure(self.name, self.number, index))


def _current_call(frame: FrameType) -> CurrentCall | None:
    source: Source = frame.f_locals["self"]
    return source.at_work()


for _frame in (Source.pull, Source.named, Source._front):
    register_reader(_frame, _current_call)


def _no_size(_: object) -> int:
    return 0
