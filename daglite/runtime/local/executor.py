"""Run a stream in this process, one item after the other, in a loop that is generated for its steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from daglite.codegen import LineAction, LoopShape, filters_of, skips_of, spreading
from daglite.exceptions import Failure, ReplayRecord
from daglite.runtime.dataflow.saves import Saver
from daglite.runtime.dataflow.sinks import CollectSink, FoldSink, IteratorSink, Sink
from daglite.runtime.dataflow.source import Source
from daglite.runtime.kernel.errors import attach_facts, attempts_of, raise_with_failure, short_repr
from daglite.runtime.kernel.fused_loop import compile_loop
from daglite.runtime.kernel.steps import StepChain
from daglite.runtime.kernel.timers import StepTimer
from daglite.runtime.local.item_copies import ItemCopies
from daglite.task_context import CurrentCall

if TYPE_CHECKING:
    from daglite.events import StepTime

# About how long, in seconds, a turn takes.
_TURN_SECONDS = 0.01


class LocalDriver:
    """Drives a source, steps and a sink without workers; `StreamDriver` is the one with workers."""

    def __init__(
        self,
        source: Source,
        chain: StepChain,
        savers: Sequence[Saver | None],
        sink: Sink,
        *,
        watchful: bool = False,
        snaps: bool = False,
        copies: ItemCopies | None = None,
        most: int | None = None,
        recorder: LocalRecorder | None = None,
    ) -> None:
        """A `watchful` driver returns after each item, as the run may be cancelled.

        If it `snaps`, items are copied when they are yielded, as runtimes with processes do; `copies` also copies
        results. The stream is over after `most` results. `recorder` reports each turn to observers.
        """
        self.source = source
        self.sink = sink
        self.copies = copies
        self.watchful = watchful
        self.chain = chain
        # A stopwatch puts its own in place of these, and in place of the fold, while the stream is timed.
        self.calls = chain.calls
        self.fold: Callable[..., Any] | None = None
        self.timed = False
        saves = tuple(saver is not None for saver in savers)
        filters, skips, kind = filters_of(chain.steps), skips_of(chain.steps), _end_kind(sink)
        shape = LoopShape(saves, kind, source.saver is not None, snaps, copies is not None, filters, most is not None)
        shape = shape._replace(skips=skips, spreads=spreading(chain.steps))
        self._loop = compile_loop(shape)
        self.left = most
        self._end = self._numbered(sink.one) if kind == "numbered" else None
        self._saves = [self._numbered(saver) for saver in savers if saver is not None]
        # Of an item as it is when it is yielded: the generator may change it later.
        self._snaps = source.copied if copies is None else (copies.item, copies.result)
        self._turn_items = 1
        self._recorder = recorder

    def advance(self) -> bool:
        """Take items through, one after the other; return False when there are no more."""
        return self._turn() if self._recorder is None else self._recorder.turn(self._turn)

    def _turn(self) -> bool:
        if self.full:
            return False
        most, began = self._turn_items, time.perf_counter()
        count = self.take(islice(self.source.items, most))
        if not self.sink.keeps and not self.watchful:
            self._turn_items = 2 * most if time.perf_counter() - began < _TURN_SECONDS else max(1, most // 2)
        return count == most and not self.full

    def take(self, items: Iterator[object]) -> int:
        """Take these items of the source through; return how many."""
        source, sink = self.source, self.sink
        # Looked up now: an observer may have put a timer around it.
        one, value = self.fold or self._end or sink.one, sink.value if isinstance(sink, FoldSink) else None
        end = one if self.left is None else (one, self._enough)
        value, count = self._loop.run(
            items, source.count, value, self.calls, self._saves, source.saver, self._snaps, end, failed=self._failed
        )
        if isinstance(sink, FoldSink):
            sink.value = value
        source.count += count
        return count

    @property
    def full(self) -> bool:
        """Whether as many results have come as are needed."""
        return self.left == 0

    def _enough(self) -> bool:
        """Count a result; return whether it was the last one that is needed."""
        assert self.left is not None
        self.left -= 1
        return not self.left

    def results(self, items: Iterator[object] | None = None) -> Iterator[object]:
        """Return the results of these items, or of all, one by one; the sink is an `IteratorSink`."""
        source = self.source
        items = source.items if items is None else items
        return self._loop.items(
            items, source.count, None, self.calls, self._saves, source.saver, self._snaps, None, failed=self._failed
        )

    def rest(self) -> None:
        """Do nothing: nothing runs between two items."""

    def release(self, nbytes: float) -> None:
        """Do nothing: one item at a time is in flight."""

    def close(self) -> None:
        """Close the source, and the streams that it pulls."""
        try:
            self.source.end()
        finally:
            if self._recorder is not None:
                self._recorder.close()

    def _numbered(self, take: Callable[..., object]) -> Callable[..., object]:
        """Return `take(index, value)` for a loop that counts items, which may have other indices."""
        indices = self.source.indices
        return take if indices is None else lambda place, value: take(indices[place], value)

    def _failed(self, error: BaseException, place: LineAction, index: int, item: object, x: object) -> NoReturn:
        """Raise an error of the loop, with the facts of the line at which it was raised."""
        index = self.source.index_of(index) if place.kind != "source" else index
        if place.kind in ("call", "result"):
            step, attempt, kept = self.chain.steps[place.step], 1, None
            if place.kind == "call":
                first, attempt = self.chain.steps[0], attempts_of(step.function, error)
                kept = ReplayRecord(first.number, item, first.seed)
            raise_with_failure(
                error, Failure(step.function.name, step.number, index, short_repr(item), attempt, kept=kept)
            )
        if place.kind == "end" and isinstance(self.sink, FoldSink):
            self.sink.blame(error, index, x)
        if place.kind in ("source", "item") and isinstance(error, Exception):
            attach_facts(error, Failure(self.source.name, self.source.number))
        try:
            raise error
        finally:
            # Its traceback refers to this frame, which must not refer to the error: the end of a stream that is closed
            # early would be left to the garbage collector, at any moment.
            del error

    def at_work(self, place: LineAction, index: int) -> CurrentCall | None:
        """Return the call that the loop is at, by its line."""
        if place.kind == "call":
            step = self.chain.steps[place.step]
            return CurrentCall(step.function.name, step.seed, step.step_id, self.source.index_of(index), index)
        return self.source.at_work() if place.kind in ("source", "item") else None


class LocalRecorder:
    """Reports how many items each turn has taken through, and in how many seconds."""

    def __init__(
        self,
        source: Source,
        timers: Sequence[StepTimer],
        report: Callable[[int, float, tuple[StepTime, ...]], None],
        heartbeat: Callable[[], None],
        *,
        interval: float,
    ) -> None:
        """`report` takes items, seconds and step times, at most every `interval` seconds.

        `timers` are those of the source, the steps and the sink.
        """
        self._source = source
        self._timers = timers
        self._report = report
        self._heartbeat = heartbeat
        self._interval = interval
        self._seconds = 0.0
        self._reported = 0
        self._last = time.perf_counter()

    def turn(self, turn: Callable[[], bool]) -> bool:
        """Run one turn of the stream; return whether there are more."""
        began, more = time.perf_counter(), False
        try:
            more = turn()
        finally:
            now = time.perf_counter()
            self._seconds += now - began
            if not more or now - self._last >= self._interval:
                self._flush(now)
        self._heartbeat()
        return more

    def close(self) -> None:
        """Report the rest: a stream that is pulled may end before its source does."""
        if self._source.count > self._reported:
            self._flush(time.perf_counter())

    def _flush(self, now: float) -> None:
        count = self._source.count
        steps = tuple([timer.take() for timer in self._timers])
        self._report(count - self._reported, self._seconds, steps)
        self._reported, self._seconds, self._last = count, 0.0, now


def _end_kind(sink: Sink) -> Literal["fold", "each", "numbered", "yield"]:
    if isinstance(sink, FoldSink):
        return "fold"
    if isinstance(sink, IteratorSink):
        return "yield"
    return "numbered" if isinstance(sink, CollectSink) and sink.indices is not None else "each"
