"""Between two segments: what workers gave, taken when the next segment has room, through the operations there.

    merge of one leg --draw--> relay --feed--> operations --capture--> cells of the next leg

It never waits. Whatever is not asked for stays in the merge, so the window before it stays full and nothing is pulled.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final, NamedTuple

from daglite.runtime.dataflow.coordinator_ops import CoordinatorOps
from daglite.runtime.dataflow.flow_control import FlowControl
from daglite.runtime.dataflow.segment import DeliveryHook, SegmentExecutor
from daglite.runtime.dataflow.sinks import ExchangeQueue, Sink
from daglite.runtime.dataflow.source import Source
from daglite.runtime.serialization.codec import ItemCodec

_NOTHING: Iterator[object] = iter(())
# About how long, in seconds, one turn passes results on.
_LONGEST = 0.005


class PriorOutput(NamedTuple):
    """What operations have given before there were workers: how many items, and the `rest` of what they were giving."""

    came: int = 0
    rest: Iterator[object] | None = None


class ExchangeBuffer:
    """What comes out of the operations behind a leg. Its end may be one for now: more may come when workers answer.

    `cut`: the operations have seen enough.
    """

    def __init__(
        self,
        before: SegmentExecutor,
        relay: ExchangeQueue,
        between: CoordinatorOps,
        failing: Callable[[], bool],
        past: PriorOutput | None = None,
    ) -> None:
        """`failing`: the run has failed, so what the operations still hold must not come out. They begin as they are,
        after their `past`.
        """
        past = past or PriorOutput()
        self.numbering = between.numbering
        self.finished = False
        self.cut = False
        self._before = before
        self._relay = relay
        self._pipe, self._known, self._count = between.pipe, between.known, past.came
        self._failing = failing
        self._current: Iterator[object] = past.rest or _NOTHING
        self._giving = past.rest is not None
        # Items of whose results parts have come, and more will.
        self._begun: set[int] = set()
        self._last = False

    @property
    def gaps(self) -> bool:
        """Whether the index of what comes out may differ from its place."""
        return self._known is not None

    @property
    def held(self) -> bool:
        """Whether an item that has been taken apart is not through yet."""
        return self._giving or bool(self._begun)

    def __iter__(self) -> Iterator[object]:
        return self

    def __next__(self) -> object:
        while True:
            for output in self._current:
                self._giving = True
                if self._known is not None:
                    self._known.learn(self._count, self.numbering.now)
                    self._count += 1
                return output
            self._giving = False
            if self._last:
                self.finished = True
                raise StopIteration
            if self._pipe.done:
                self.cut = True
                self._finish()
            elif self.ready():
                self._current = iter(self._pipe.feed(self._take()))
            elif self._over():
                self._finish()
            else:
                raise StopIteration

    def ready(self) -> bool:
        """Whether the leg before has a result that may be taken."""
        while not self._relay.waiting:
            if not self._before.draw():
                return False
        return True

    def waiting(self) -> bool:
        """Whether anything could come out now."""
        return not self.finished and (self._giving or self.ready())

    def _take(self) -> object:
        index, value, nbytes, place = self._relay.waiting.popleft()
        self.numbering.now = index
        # An item leaves with the first part of its result.
        self._before.window.release(0 if index in self._begun else 1, nbytes)
        if place is None:
            self._begun.discard(index)
        else:
            self._begun.add(index)
            self._before.dispatcher.passed_on(place)
        return value

    def _over(self) -> bool:
        return self._before.over() and not self._failing()

    def _finish(self) -> None:
        self._last = True
        self._current = iter(self._pipe.finish())


class ExchangeSource(Source):
    """The source of a segment behind another; see `Source`. It is used under the lock, and pulling it never waits."""

    def __init__(self, outputs: ExchangeBuffer, between: CoordinatorOps, codec: ItemCodec, came: int = 0) -> None:
        name, number = between.last.function.name, between.last.number
        super().__init__(outputs, name=name, number=number, saver=None, codec=codec, indices=between.known)
        self.outputs = outputs
        self.count = came

    def pull(self, want: int, cells: list[object], room: int, *, watched: bool) -> None:
        super().pull(want, cells, room, watched=watched)
        self.finished = self.outputs.finished


class ExchangeSink:
    """Operations between the last workers and the ending. `window` counts results that a consumer has not taken."""

    # Results of one turn.
    MOST: Final = 256

    def __init__(
        self,
        outputs: ExchangeBuffer,
        sink: Sink,
        window: FlowControl,
        came: int = 0,
        on_delivered: DeliveryHook | None = None,
    ) -> None:
        self.outputs = outputs
        self.window = window
        self.keeps = sink.keeps
        self._sink = sink
        self._count = came
        self._on_delivered = on_delivered

    def deliver(self, room: int) -> int:
        """Pass on up to `room` results, as long as there are any; how many it were."""
        outputs, values = self.outputs, list[object]()
        known: list[int] | None = [] if outputs.gaps else None
        first, began = self._count, time.perf_counter()
        until = began + _LONGEST
        try:
            for value in islice(outputs, room):
                values.append(value)
                if known is not None:
                    known.append(outputs.numbering.now)
                if time.perf_counter() > until:
                    break
        finally:
            # What came before an error goes on before it.
            if values:
                self._count += len(values)
                self._sink.take(range(first, self._count) if known is None else known, values, 0)
                if self.keeps:
                    self.window.pull(len(values), 0)
                if self._on_delivered is not None:
                    self._on_delivered(first, len(values), 0, began)
        return len(values)
