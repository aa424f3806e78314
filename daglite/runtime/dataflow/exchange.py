"""Between two segments: results of workers, taken when the next segment has room, through the operators there.

    reorder buffer --deliver_next--> exchange queue --feed--> operators --serialize--> items of the next segment

Nothing here blocks. What is not taken stays in the reorder buffer, so the flow control before it stays full and nothing
is pulled.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final, NamedTuple

from daglite.runtime.dataflow.flow_control import FlowControl
from daglite.runtime.dataflow.operators import CoordinatorOps
from daglite.runtime.dataflow.segment import DeliveryHook, SegmentExecutor
from daglite.runtime.dataflow.sinks import Sink
from daglite.runtime.dataflow.source import Source
from daglite.runtime.serialization.codec import ItemCodec

# About how many seconds one turn delivers results.
_LONGEST_TURN = 0.005


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
