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
        legs: Sequence[SegmentExecutor],
        verdict: FailurePolicy,
        *,
        outlet: ExchangeSink | None = None,
        size: int | None = None,
        taken: Callable[[], int] | None = None,
    ) -> None:
        """`size`: most items in flight in all legs together, where the user has given such a number.

        Of these places so many are `taken` by streams that pull this one.
        """
        self.first = legs[0]
        self.last = legs[-1]
        # Whether something moved between two legs: more may be possible without an answer.
        self.stirred = False
        # Whether operations have had enough of what the source and the first legs give.
        self.cut = False
        # Items that the source is being asked for, so that their places are taken.
        self.asked = 0
        # The most items in flight in all legs together.
        self.peak = 0
        self._legs = list(enumerate(legs))
        self._count = len(legs)
        self._verdict = verdict
        self._outlet = outlet
        # One leg alone is bounded by its own window.
        self._size = size if outlet is not None or len(legs) > 1 or taken is not None else None
        self._taken = taken or _nothing

    def dispatch(self, *, hurry: bool) -> None:
        """Give each leg what it has room for, and send it."""
        self.stirred = False
        if self._outlet is not None:
            self._leave(self._outlet)
        for number, leg in reversed(self._legs):
            if isinstance(leg.origin, ExchangeSource):
                self._fill(number, leg, leg.origin)
            leg.dispatch(hurry=hurry)

    def move(self) -> None:
        """Pass results on, and use the places that became free."""
        if self._outlet is None:
            self.last.deliver()
        if self._outlet is not None or self._count > 1 or self.last.shipping.unsent():
            self.dispatch(hurry=False)

    def release(self, nbytes: float) -> None:
        """A consumer took one result."""
        (self.last if self._outlet is None else self._outlet).window.release(1, nbytes)

    def full(self) -> bool:
        """Whether the ending wants nothing more."""
        return self.last.intake.left == 0

    def busy(self) -> bool:
        """Whether anything is under way or waits to be sent."""
        return any([leg.busy() for _, leg in self._legs])

    def in_flight(self) -> int:
        """Items in all legs together."""
        return sum([window.in_flight for window, _ in self._places()])

    def room(self) -> int:
        """How many items the first leg could take from the source now."""
        if self.cut:
            return 0
        room = self.first.window.room()
        if room:
            room = min(room, self.first.shipping.wanted())
        return room if self._size is None else max(0, min(room, self._shared(self._size, None)))

    def failing(self) -> bool:
        """Whether there is an error, or may be one: the source is at work."""
        return self._verdict.error is not None or self.asked > 0

    def lowest(self) -> int | None:
        """What may still fail before the known error: see `Verdict.patience`."""
        if self._outlet is not None and self._outlet.outputs.waiting():
            return -1
        for number, leg in reversed(self._legs):
            if number == self._verdict.leg:
                return leg.shipping.lowest()
            if number > self._verdict.leg and (leg.shipping.busy() or _waiting(leg)):
                return -1
        return None

    def over(self) -> bool:
        """Whether every result has gone on."""
        return self.last.over() if self._outlet is None else self._outlet.outputs.finished

    def retire(self) -> None:
        """Nobody wants what is under way."""
        for _, leg in self._legs:
            leg.shipping.retire()

    def _fill(self, number: int, leg: SegmentExecutor, inlet: ExchangeSource) -> None:
        """Give a leg as much of what the one before has ready as it has room for."""
        if inlet.finished or not self._verdict.wants(inlet.count, leg=number):
            return
        want = self._want(inlet.outputs, leg.window, leg.shipping.wanted())
        if not want:
            return
        count = inlet.count
        try:
            inlet.pull(want, leg.shipping.intake(), leg.window.left(), watched=False)
        except Exception as error:
            # It comes after every item that came out before it.
            self._verdict.record(inlet.count, error, time.monotonic(), leg=number)
        finally:
            leg.window.pull(inlet.count - count, inlet.nbytes)
            self.peak = max(self.peak, self.in_flight())
        self.stirred = self.stirred or inlet.count > count or inlet.finished
        self._cut_before(number, inlet.outputs)

    def _leave(self, outlet: ExchangeSink) -> None:
        """Pass on what comes out behind the last leg: all that is there, or what a consumer has room for."""
        if outlet.outputs.finished:
            return
        most = outlet.MOST
        want = self._want(outlet.outputs, outlet.window, most) if outlet.keeps else most
        if want and (outlet.deliver(want) or outlet.outputs.finished):
            self.stirred = True
        self._cut_before(self._count, outlet.outputs)

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
        if self._outlet is not None:
            yield self._outlet.window, self._outlet.outputs
        for _, leg in reversed(self._legs):
            yield leg.window, leg.origin.outputs if isinstance(leg.origin, ExchangeSource) else None

    def _cut_before(self, number: int, outputs: ExchangeBuffer) -> None:
        """End everything in front of operations that have had enough, as if it had never been asked for."""
        if not outputs.cut or not self._legs or self._legs[0][0] >= number:
            return
        self.cut = self.stirred = True
        for at, leg in self._legs:
            if at < number:
                leg.shipping.retire()
        self._legs = [(at, leg) for at, leg in self._legs if at >= number]
        self._verdict.drop(number)


def _nothing() -> int:
    return 0


def _waiting(leg: SegmentExecutor) -> bool:
    return isinstance(leg.origin, ExchangeSource) and leg.origin.outputs.waiting()
