"""The executor of a segment, from the origin of its items through workers to the writer of its results.

Between two segments an exchange takes results when the next segment has room, through the operators there.

    reorder buffer --deliver_next--> exchange queue --feed--> operators --serialize--> items of the next segment

Nothing here blocks. What is not taken stays in the reorder buffer, so the flow control before it stays full and nothing
is pulled.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final, NamedTuple, TypeAlias

from daglite.runtime.dataflow.batching import BatchSizer
from daglite.runtime.dataflow.dispatch import Dispatcher
from daglite.runtime.dataflow.flow_control import FlowControl
from daglite.runtime.dataflow.in_flight import SegmentParts
from daglite.runtime.dataflow.operators import CoordinatorOps
from daglite.runtime.dataflow.reorder_buffer import BatchResult
from daglite.runtime.dataflow.sinks import ResultWriter, Sink
from daglite.runtime.dataflow.source import Source
from daglite.runtime.dataflow.tree_reduce import TreeReducer
from daglite.runtime.serialization.codec import ItemCodec

# About how many seconds one turn delivers results.
_LONGEST_TURN = 0.005

# Receives the first index of results that were delivered, how many items and bytes, and when that began.
DeliveryHook: TypeAlias = Callable[[int, int, int, float], None]


class SegmentExecutor:
    """The parts of one segment. They are used under the lock of the loop, except a source that may block.

    `origin` yields the items: the source of the stream, or an exchange source behind the segment before, with the
    `outputs` of the operators there. `number` is the position of the segment in the pipeline.
    """

    def __init__(
        self,
        parts: SegmentParts,
        batch_sizer: BatchSizer,
        writer: ResultWriter,
        *,
        tree_reducer: TreeReducer | None = None,
        on_delivered: DeliveryHook | None = None,
    ) -> None:
        """Raise `TransferError` if the steps cannot be sent to a worker."""
        self.number = parts.number
        self.origin = parts.source
        self.outputs = parts.source.outputs if isinstance(parts.source, ExchangeSource) else None
        self.dispatcher = Dispatcher(parts, batch_sizer, tree_reducer)
        self.flow_control = parts.flow_control
        self.writer = writer
        self._reorder_buffer = parts.reorder_buffer
        self._tree_reducer = tree_reducer
        self._on_delivered = on_delivered
        # The rest of a result that is delivered item by item.
        self._split: Iterator[BatchResult[list[object]]] = iter(())

    def dispatch(self, *, hurry: bool) -> None:
        """Send what waits; with `hurry`, or when no more items come, also a batch that is not full."""
        self.dispatcher.dispatch(hurry=hurry or self.origin.finished)

    def deliver(self) -> None:
        """Deliver all results that are ready."""
        for result in () if self.writer.full else self._reorder_buffer.take():
            self._deliver(result)
        if self._tree_reducer is not None and self._drained():
            self._tree_reducer.close()

    def deliver_next(self) -> bool:
        """Deliver the next few results, as the segment behind has room for them; return False when there are none."""
        while True:
            for result in self._split:
                self._deliver(result)
                return True
            following = next(self._reorder_buffer.take(), None)
            if following is None:
                return False
            self._split = self.writer.split(following)

    def waiting(self) -> bool:
        """Return whether an item waits here or could come out of the exchange before."""
        return self.dispatcher.busy() or (self.outputs is not None and self.outputs.waiting())

    def over(self) -> bool:
        """Return whether all items have come and all results are delivered; valid after `deliver_next` is False."""
        return self._drained() and not self.busy()

    def busy(self) -> bool:
        """Return whether anything is in flight or waits to be sent, partials on workers included."""
        return self.dispatcher.busy() or (self._tree_reducer is not None and self._tree_reducer.busy())

    def _drained(self) -> bool:
        return self.origin.finished and not self.dispatcher.busy() and not len(self._reorder_buffer)

    def _deliver(self, result: BatchResult[list[object]]) -> None:
        """Write results, and release their items."""
        began = 0.0 if self._on_delivered is None else time.perf_counter()
        count = self.writer.write(result)
        if self._on_delivered is not None:
            self._on_delivered(result.first, result.size, result.nbytes, began)
        if not self.writer.keeps:
            self.flow_control.release(result.size, result.nbytes)
        elif count < result.size:
            # Items that a filter dropped leave now; the consumer takes the rest one by one.
            self.flow_control.release(result.size - count, 0 if count else result.nbytes)


class PriorOutput(NamedTuple):
    """The output of operators before the stream had workers: how many items, and the rest of an unfinished output."""

    produced: int = 0
    rest: Iterator[object] | None = None


class ExchangeBuffer:
    """An iterator over the output of the operators behind a segment.

    It may end for now, until workers return more results; `finished` is set at the last end. `cut`: the operators have
    seen enough.
    """

    def __init__(
        self,
        before: SegmentExecutor,
        operations: CoordinatorOps,
        failing: Callable[[], bool],
        prior: PriorOutput | None = None,
    ) -> None:
        """While the run is `failing` the operators do not finish: what they hold must not come out.

        `prior` is what the operators produced before there were workers.
        """
        prior = prior or PriorOutput()
        self.numbering = operations.numbering
        self.finished = False
        self.cut = False
        self.produced = prior.produced
        self._before = before
        self._queue = operations.queue
        self._operators, self._indices = operations.chain, operations.known
        self._failing = failing
        self._current: Iterator[object] = iter(()) if prior.rest is None else prior.rest
        self._producing = prior.rest is not None
        # Items of which result chunks have come, and more will come.
        self._incomplete: set[int] = set()
        self._last = False

    @property
    def gaps(self) -> bool:
        """Whether the index of an output may differ from its position."""
        return self._indices is not None

    @property
    def splitting(self) -> bool:
        """Whether an item that makes several outputs has not made all of them."""
        return self._producing or bool(self._incomplete)

    def __iter__(self) -> Iterator[object]:
        return self

    def __next__(self) -> object:
        while True:
            for output in self._current:
                self._producing = True
                if self._indices is not None:
                    self._indices.learn(self.produced, self.numbering.now)
                    self.produced += 1
                return output
            self._producing = False
            if self._last:
                self.finished = True
                raise StopIteration
            if self._operators.done:
                self.cut = True
                self._finish()
            elif self.ready():
                self._current = iter(self._operators.feed(self._take()))
            elif self._before.over() and not self._failing():
                self._finish()
            else:
                raise StopIteration

    def ready(self) -> bool:
        """Return whether the segment before has a result that may be taken."""
        while not self._queue.waiting:
            if not self._before.deliver_next():
                return False
        return True

    def waiting(self) -> bool:
        """Return whether anything could come out now."""
        return not self.finished and (self._producing or self.ready())

    def _take(self) -> object:
        index, value, nbytes, place = self._queue.waiting.popleft()
        self.numbering.now = index
        # An item is released with the first chunk of its result.
        self._before.flow_control.release(0 if index in self._incomplete else 1, nbytes)
        if place is None:
            self._incomplete.discard(index)
        else:
            self._incomplete.add(index)
            self._before.dispatcher.passed_on(place)
        return value

    def _finish(self) -> None:
        self._last = True
        self._current = iter(self._operators.finish())


class ExchangeSource(Source):
    """The source of a segment behind another. It is used under the lock, and a pull never blocks."""

    def __init__(self, outputs: ExchangeBuffer, operations: CoordinatorOps, codec: ItemCodec) -> None:
        name, number = operations.last.function.name, operations.last.number
        super().__init__(outputs, name=name, number=number, codec=codec, indices=operations.known)
        self.outputs = outputs
        self.count = outputs.produced

    def pull(self, want: int, batch: list[object], room: int, *, watched: bool) -> None:
        super().pull(want, batch, room, watched=watched)
        self.finished = self.outputs.finished


class ExchangeSink:
    """Delivers the output of operators behind the last workers to a sink.

    `flow_control` counts results that a consumer has not taken.
    """

    # Results of one turn.
    MAX_ITEMS: Final = 256

    def __init__(
        self,
        outputs: ExchangeBuffer,
        sink: Sink,
        flow_control: FlowControl,
        on_delivered: DeliveryHook | None = None,
    ) -> None:
        self.outputs = outputs
        self.flow_control = flow_control
        self.keeps = sink.keeps
        self._sink = sink
        self._count = outputs.produced
        self._on_delivered = on_delivered

    def deliver(self, room: int) -> int:
        """Deliver up to `room` results, as far as there are any; return their number."""
        outputs, values = self.outputs, list[object]()
        indices: list[int] | None = [] if outputs.gaps else None
        first, began = self._count, time.perf_counter()
        deadline = began + _LONGEST_TURN
        try:
            for value in islice(outputs, room):
                values.append(value)
                if indices is not None:
                    indices.append(outputs.numbering.now)
                if time.perf_counter() > deadline:
                    break
        finally:
            # Results before an error are delivered before it is raised.
            if values:
                self._count += len(values)
                self._sink.take(range(first, self._count) if indices is None else indices, values, 0)
                if self.keeps:
                    self.flow_control.pull(len(values), 0)
                if self._on_delivered is not None:
                    self._on_delivered(first, len(values), 0, began)
        return len(values)
