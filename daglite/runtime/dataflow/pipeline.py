"""The route of a stream: its legs, one behind the other. Whoever is nearer to the ending is served first.

    source --> leg --inlet--> leg --inlet--> leg --> ending, or outlet --> ending

Nothing here waits. A leg is given items when its workers could take them and its window has room, and only then are
results of the leg before taken, so a slow leg fills the windows before it, up to the source, which is not pulled then.
It always goes on: the last leg needs nobody but its workers and the ending; when it has room it draws on the leg
before, and so on to the source. Workers that several legs share are given to the last one first, and what they are at
for the others ends by itself, as results always have a place in the merge of their own leg.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from daglite.runtime.dataflow.exchange import ExchangeBuffer, ExchangeSink, ExchangeSource
from daglite.runtime.dataflow.failure_policy import FailurePolicy
from daglite.runtime.dataflow.flow_control import FlowControl
from daglite.runtime.dataflow.segment import SegmentExecutor


class SegmentPipeline:
    """All legs of one stream, under the lock of its loop."""

    def __init__(
        self,
        executors: Sequence[SegmentExecutor],
        failure_policy: FailurePolicy,
        *,
        exchange_sink: ExchangeSink | None = None,
        size: int | None = None,
        taken: Callable[[], int] | None = None,
    ) -> None:
        """`size`: most items in flight in all legs together, where the user has given such a number.

        Of these places so many are `taken` by streams that pull this one.
        """
        self.first = executors[0]
        self.last = executors[-1]
        # Whether something moved between two legs: more may be possible without an answer.
        self.stirred = False
        # Whether operations have had enough of what the source and the first legs give.
        self.cut = False
        # Items that the source is being asked for, so that their places are taken.
        self.asked = 0
        # The most items in flight in all legs together.
        self.peak = 0
        self._executors = list(enumerate(executors))
        self._count = len(executors)
        self._failure_policy = failure_policy
        self._exchange_sink = exchange_sink
        # One leg alone is bounded by its own window.
        self._size = size if exchange_sink is not None or len(executors) > 1 or taken is not None else None
        self._taken = taken or _nothing

    def dispatch(self, *, hurry: bool) -> None:
        """Give each leg what it has room for, and send it."""
        self.stirred = False
        if self._exchange_sink is not None:
            self._leave(self._exchange_sink)
        for number, executor in reversed(self._executors):
            if isinstance(executor.origin, ExchangeSource):
                self._fill(number, executor, executor.origin)
            executor.dispatch(hurry=hurry)

    def move(self) -> None:
        """Pass results on, and use the places that became free."""
        if self._exchange_sink is None:
            self.last.deliver()
        if self._exchange_sink is not None or self._count > 1 or self.last.dispatcher.unsent():
            self.dispatch(hurry=False)

    def release(self, nbytes: float) -> None:
        """A consumer took one result."""
        (self.last if self._exchange_sink is None else self._exchange_sink).window.release(1, nbytes)

    def full(self) -> bool:
        """Whether the ending wants nothing more."""
        return self.last.writer.left == 0

    def busy(self) -> bool:
        """Whether anything is under way or waits to be sent."""
        return any([executor.busy() for _, executor in self._executors])

    def in_flight(self) -> int:
        """Items in all legs together."""
        return sum([window.in_flight for window, _ in self._places()])

    def room(self) -> int:
        """How many items the first leg could take from the source now."""
        if self.cut:
            return 0
        room = self.first.window.room()
        if room:
            room = min(room, self.first.dispatcher.wanted())
        return room if self._size is None else max(0, min(room, self._shared(self._size, None)))

    def failing(self) -> bool:
        """Whether there is an error, or may be one: the source is at work."""
        return self._failure_policy.error is not None or self.asked > 0

    def lowest(self) -> int | None:
        """What may still fail before the known error: see `Verdict.patience`."""
        if self._exchange_sink is not None and self._exchange_sink.outputs.waiting():
            return -1
        for number, executor in reversed(self._executors):
            if number == self._failure_policy.executor:
                return executor.dispatcher.lowest()
            if number > self._failure_policy.executor and (executor.dispatcher.busy() or _waiting(executor)):
                return -1
        return None

    def over(self) -> bool:
        """Whether every result has gone on."""
        return self.last.over() if self._exchange_sink is None else self._exchange_sink.outputs.finished

    def retire(self) -> None:
        """Nobody wants what is under way."""
        for _, executor in self._executors:
            executor.dispatcher.retire()

    def _fill(self, number: int, executor: SegmentExecutor, exchange_source: ExchangeSource) -> None:
        """Give a leg as much of what the one before has ready as it has room for."""
        if exchange_source.finished or not self._failure_policy.wants(exchange_source.count, executor=number):
            return
        want = self._want(exchange_source.outputs, executor.window, executor.dispatcher.wanted())
        if not want:
            return
        count = exchange_source.count
        try:
            exchange_source.pull(want, executor.dispatcher.open_batch(), executor.window.left(), watched=False)
        except Exception as error:
            # It comes after every item that came out before it.
            self._failure_policy.record(exchange_source.count, error, time.monotonic(), executor=number)
        finally:
            executor.window.pull(exchange_source.count - count, exchange_source.nbytes)
            self.peak = max(self.peak, self.in_flight())
        self.stirred = self.stirred or exchange_source.count > count or exchange_source.finished
        self._cut_before(number, exchange_source.outputs)

    def _leave(self, exchange_sink: ExchangeSink) -> None:
        """Pass on what comes out behind the last leg: all that is there, or what a consumer has room for."""
        if exchange_sink.outputs.finished:
            return
        most = exchange_sink.MOST
        want = self._want(exchange_sink.outputs, exchange_sink.window, most) if exchange_sink.keeps else most
        if want and (exchange_sink.deliver(want) or exchange_sink.outputs.finished):
            self.stirred = True
        self._cut_before(self._count, exchange_sink.outputs)

    def _want(self, outputs: ExchangeBuffer, window: FlowControl, most: int) -> int:
        """How many items may come out of these operations now."""
        want = min(most, window.room())
        if want <= 0 or self._size is None:
            return max(0, want)
        room = self._shared(self._size, outputs)
        if room <= 0:
            # One that takes the place of the result it comes from. The rest of one taken apart has no such place.
            room = 0 if outputs.held or not outputs.ready() else 1
        return min(want, room)

    def _shared(self, size: int, own: ExchangeBuffer | None) -> int:
        """How many places there are in all legs together for these outputs; None: for the source.

        Where an item has been taken apart and no part of it is in flight in the leg it goes to, one place is kept for the
        next part, as nothing could make room for it: not by whoever is nearer to the ending, for that is over in time.
        """
        free, behind = size - self._taken() - (0 if self.cut else self.asked), True
        for window, outputs in self._places():
            behind = behind and outputs is not own
            kept = behind and outputs is not None and outputs.held
            free -= max(window.in_flight, kept)
        return free

    def _places(self) -> Iterator[tuple[FlowControl, ExchangeBuffer | None]]:
        if self._exchange_sink is not None:
            yield self._exchange_sink.window, self._exchange_sink.outputs
        for _, executor in reversed(self._executors):
            yield executor.window, executor.origin.outputs if isinstance(executor.origin, ExchangeSource) else None

    def _cut_before(self, number: int, outputs: ExchangeBuffer) -> None:
        """End everything in front of operations that have had enough, as if it had never been asked for."""
        if not outputs.cut or not self._executors or self._executors[0][0] >= number:
            return
        self.cut = self.stirred = True
        for at, executor in self._executors:
            if at < number:
                executor.dispatcher.retire()
        self._executors = [(at, executor) for at, executor in self._executors if at >= number]
        self._failure_policy.drop(number)


def _nothing() -> int:
    return 0


def _waiting(executor: SegmentExecutor) -> bool:
    return isinstance(executor.origin, ExchangeSource) and executor.origin.outputs.waiting()
