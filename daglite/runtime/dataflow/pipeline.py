"""The segments of a stream in a row. Those nearer to the sink are served first.

    source --> segment --exchange--> segment --exchange--> segment --> sink, or exchange sink --> sink

Nothing here blocks. A segment receives items when its workers could take them and its flow control has room, and only
then are results of the segment before taken. So a slow segment fills those before it, up to the source, which is not
pulled then. There is always progress: the last segment needs only its workers and the sink; when it has room it takes
from the segment before, and so on to the source. Workers that several segments share go to the last segment first,
and their work for other segments ends by itself, as its results always have room in the reorder buffer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from daglite.runtime.dataflow.failure_policy import FailurePolicy
from daglite.runtime.dataflow.flow_control import FlowControl
from daglite.runtime.dataflow.segment import ExchangeBuffer, ExchangeSink, SegmentExecutor


class SegmentPipeline:
    """All segments of one stream; used under the lock of its loop."""

    def __init__(
        self,
        executors: Sequence[SegmentExecutor],
        failure_policy: FailurePolicy,
        exchange_sink: ExchangeSink | None = None,
        *,
        size: int | None = None,
        taken: Callable[[], int] | None = None,
    ) -> None:
        """`size`: most items in flight in all segments together, where the user has set it.

        Outer streams use `taken()` of these places.
        """
        self.failure_policy = failure_policy
        self.first = executors[0]
        self.last = executors[-1]
        # Whether items moved between two segments: more may be possible without a result from a worker.
        self.moved = False
        # Whether operators have seen enough, so that the source and the first segments are not needed any more.
        self.cut = False
        # How many items are being pulled, so that their places are taken.
        self.pulling = 0
        # The most items in flight in all segments together.
        self.peak = 0
        self._executors = list(executors)
        self._count = len(executors)
        self._exchange_sink = exchange_sink
        # A single segment is bounded by its own flow control.
        self._size = size if exchange_sink is not None or len(executors) > 1 or taken is not None else None
        self._taken = taken

    def dispatch(self, *, hurry: bool) -> None:
        """Give each segment the items for which it has room, and send them."""
        self.moved = False
        if self._exchange_sink is not None:
            self._drain(self._exchange_sink)
        for executor in reversed(self._executors):
            if executor.outputs is not None:
                self._fill(executor, executor.outputs)
            executor.dispatch(hurry=hurry)

    def move(self) -> None:
        """Deliver results, and use the room that they leave."""
        if self._exchange_sink is None:
            self.last.deliver()
        if self._exchange_sink is not None or self._count > 1 or self.last.dispatcher.unsent():
            self.dispatch(hurry=False)

    def release(self, nbytes: float) -> None:
        """Count a result that a consumer took."""
        (self.last if self._exchange_sink is None else self._exchange_sink).flow_control.release(1, nbytes)

    def full(self) -> bool:
        """Return whether the sink needs no more results."""
        return self.last.writer.left == 0

    def busy(self) -> bool:
        """Return whether anything is in flight or waits to be sent."""
        return any([executor.busy() for executor in self._executors])

    def in_flight(self) -> int:
        """Return the items in flight in all segments together."""
        return sum([flow_control.in_flight for flow_control, _ in self._stations()])

    def room(self) -> int:
        """Return how many items the first segment could take from the source now."""
        if self.cut:
            return 0
        room = self.first.flow_control.room()
        if room:
            room = min(room, self.first.dispatcher.wanted())
        return room if self._size is None else max(0, min(room, self._shared_room(self._size, None)))

    def failing(self) -> bool:
        """Return whether there is an error, or may be one, because the source is being pulled."""
        return self.failure_policy.error is not None or self.pulling > 0

    def lowest(self) -> int | None:
        """Return the first item that may precede the recorded error; see `FailurePolicy.poll_timeout`."""
        if self._exchange_sink is not None and self._exchange_sink.outputs.waiting():
            return -1
        for executor in reversed(self._executors):
            if executor.number == self.failure_policy.executor:
                return executor.dispatcher.lowest()
            if executor.number > self.failure_policy.executor and executor.waiting():
                return -1
        return None

    def over(self) -> bool:
        """Return whether every result has been delivered."""
        return self.last.over() if self._exchange_sink is None else self._exchange_sink.outputs.finished

    def retire(self) -> None:
        """Drop what is in flight: its results are not needed."""
        for executor in self._executors:
            executor.dispatcher.retire()

    def _fill(self, executor: SegmentExecutor, outputs: ExchangeBuffer) -> None:
        """Give a segment what the segment before has ready, as far as it has room."""
        source, number = executor.origin, executor.number
        if source.finished or not self.failure_policy.wants(source.count, executor=number):
            return
        want = self._want(outputs, executor.flow_control, executor.dispatcher.wanted())
        if not want:
            return
        count = source.count
        try:
            source.pull(want, executor.dispatcher.open_batch(), executor.flow_control.left(), watched=False)
        except Exception as error:
            # It ranks after the errors of all items that came out before it.
            self.failure_policy.record(source.count, error, time.monotonic(), executor=number)
        finally:
            executor.flow_control.pull(source.count - count, source.nbytes)
            self.peak = max(self.peak, self.in_flight())
        self.moved = self.moved or source.count > count or source.finished
        self._cut_before(number, outputs)

    def _drain(self, exchange_sink: ExchangeSink) -> None:
        """Deliver what comes out behind the last segment: all of it, or what a consumer has room for."""
        if exchange_sink.outputs.finished:
            return
        most = exchange_sink.MAX_ITEMS
        want = self._want(exchange_sink.outputs, exchange_sink.flow_control, most) if exchange_sink.keeps else most
        if want and (exchange_sink.deliver(want) or exchange_sink.outputs.finished):
            self.moved = True
        self._cut_before(self._count, exchange_sink.outputs)

    def _want(self, outputs: ExchangeBuffer, flow_control: FlowControl, most: int) -> int:
        """Return how many items may come out of these operators now."""
        want = min(most, flow_control.room())
        if want <= 0 or self._size is None:
            return max(0, want)
        room = self._shared_room(self._size, outputs)
        if room <= 0:
            # An item may take the place of the result that it is made of. The rest of a split item has no such place.
            room = 0 if outputs.splitting or not outputs.ready() else 1
        return min(want, room)

    def _shared_room(self, size: int, own: ExchangeBuffer | None) -> int:
        """Return how many places of all segments together these outputs may use; None means the source.

        Where an item is being split and none of its parts is in flight behind, one place is kept for the next part:
        nothing else could make room for it. Segments nearer to the sink do not keep a place from it, as they end
        their work by themselves.
        """
        taken = 0 if self._taken is None else self._taken()
        free, behind = size - taken - (0 if self.cut else self.pulling), True
        for flow_control, outputs in self._stations():
            behind = behind and outputs is not own
            kept = behind and outputs is not None and outputs.splitting
            free -= max(flow_control.in_flight, kept)
        return free

    def _stations(self) -> Iterator[tuple[FlowControl, ExchangeBuffer | None]]:
        """Yield each flow control with the operators before it, those nearest to the sink first."""
        if self._exchange_sink is not None:
            yield self._exchange_sink.flow_control, self._exchange_sink.outputs
        for executor in reversed(self._executors):
            yield executor.flow_control, executor.outputs

    def _cut_before(self, number: int, outputs: ExchangeBuffer) -> None:
        """Drop the segments before operators that have seen enough, and their errors."""
        if not outputs.cut or not self._executors or self._executors[0].number >= number:
            return
        self.cut = self.moved = True
        for executor in self._executors:
            if executor.number < number:
                executor.dispatcher.retire()
        self._executors = [executor for executor in self._executors if executor.number >= number]
        self.failure_policy.drop(number)
