"""Run the stages of a program: each as soon as its arguments are there, calls on workers side by side."""

from __future__ import annotations

import contextlib
import copy
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, assert_never

from daglite.exceptions import Failure, ParameterError
from daglite.lazy import lazy
from daglite.options import Store
from daglite.program import (
    CallStage,
    MaterialiseStage,
    Program,
    Stage,
    StageResult,
    Step,
    StreamStage,
    is_pulled,
    operands,
    steps_of,
)
from daglite.records import replace
from daglite.run_options import RunSettings
from daglite.runtime.dataflow.nested import Driver
from daglite.runtime.dataflow.operators import CallOperator
from daglite.runtime.dataflow.saves import Saver
from daglite.runtime.dataflow.sinks import CollectSink, CombineSink, FoldSink, OutputQueue
from daglite.runtime.kernel.bound_step import BoundStep
from daglite.runtime.kernel.errors import add_generator_note, raise_with_failure
from daglite.runtime.kernel.neutral_element import find_neutral_element
from daglite.runtime.kernel.steps import bind_step
from daglite.runtime.kernel.work import WorkKind
from daglite.runtime.local.executor import LocalDriver
from daglite.runtime.local.item_copies import copied_result
from daglite.runtime.scheduler.bind_stream import may_have_gaps
from daglite.runtime.scheduler.build_local import build_generator
from daglite.runtime.scheduler.build_stream import build_stream
from daglite.runtime.scheduler.context import RunContext
from daglite.runtime.scheduler.single_calls import SingleCall

if TYPE_CHECKING:
    import daglite.events as events
    from daglite.runtime.metrics import observers as run_observers
else:
    events, run_observers = lazy("daglite.events"), lazy("daglite.runtime.metrics.observers")


class Execution:
    """One run of a program. Use it as a context manager: leaving it ends everything that the run started."""

    def __init__(
        self,
        program: Program,
        settings: RunSettings,
        store: Store | None,
        *,
        cancellable: bool = False,
        observers: Sequence[events.Observer] = (),
    ) -> None:
        self._stages = program.stages
        self._observers = run_observers.RunObservers(program, observers, str(settings.runtime)) if observers else None
        self._context = RunContext(program, settings, store, cancellable=cancellable, observers=self._observers)
        # The stages whose values each stage needs. A stream that another pulls is run by it, so its needs are those of
        # the other.
        self._needs = [self._needs_of(stage) for stage in program.stages]
        runs = [number for number, stage in enumerate(program.stages) if not is_pulled(stage)]
        self._readers = Counter(need for number in runs for need in self._needs[number])
        self._waiting = runs
        # Stages below this number may start. A run that gives items one by one starts the last stage itself.
        self._end = 0
        self._driver: Driver | None = None

    def __enter__(self) -> Execution:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        try:
            self.close()
        except Exception as late:
            # The first error is the one to raise; an error of closing is its context.
            if error is None:
                raise
            error.__context__ = error.__context__ or late

    def run(self) -> object:
        """Run all stages; return the value of the last."""
        with self._observed():
            try:
                self._run_below(len(self._stages))
            except (TypeError, AttributeError) as error:
                add_generator_note(error, self._stages)
                raise
        return self._context.values[len(self._stages) - 1]

    def run_for(self, numbers: Collection[int]) -> RunContext:
        """Run the stages with these numbers and those that they need; save nothing. Returns the context with values."""
        self._context.saves.enabled = False
        needed, more = set(numbers), list(numbers)
        while more:
            below = set(self._needs[more.pop()]) - needed
            needed |= below
            more.extend(below)
        self._readers.update(numbers)
        self._waiting = sorted(needed)
        self._run_below(len(self._stages))
        return self._context

    def items(self, *, ordered: bool) -> Iterator[object]:
        """Run all stages but the last, then yield its items while it runs."""
        with self._observed():
            yield from self._items(ordered=ordered)

    def _items(self, *, ordered: bool) -> Iterator[object]:
        last = len(self._stages) - 1
        stage = self._stages[last]
        if not isinstance(stage, StreamStage):
            self._run_below(last + 1)
            values = self._context.values[last]
            assert isinstance(values, list)
            yield from values
            return
        self._run_below(last)
        output_queue = OutputQueue()
        self._begin(last)
        driver = self._driver = build_stream(self._context, stage, output_queue, ordered=ordered)
        more = True
        while more or output_queue.waiting:
            while more and not output_queue.waiting:
                self._context.check()
                try:
                    more = driver.advance()
                except Exception:
                    # The items before the error come before it, and nothing else goes on meanwhile.
                    while output_queue.waiting:
                        yield output_queue.waiting.popleft()[0]
                    raise
            if output_queue.waiting:
                value, nbytes = output_queue.waiting.popleft()
                driver.release(nbytes)
                driver.rest()
                yield value
        self._close_driver()
        self._report_end(last)

    def cancel(self) -> None:
        """End the run from another thread: it raises `Cancelled` at its next turn."""
        self._context.cancelled.set()
        self._context.wake()

    def close(self) -> None:
        """End the source, the helper thread, the workers and the event loops, whatever state they are in."""
        try:
            self._close_driver()
        finally:
            try:
                self._context.close()
            finally:
                if self._observers is not None:
                    self._observers.ended()

    def _observed(self) -> AbstractContextManager[None]:
        return contextlib.nullcontext() if self._observers is None else self._observers.running()

    def _run_below(self, end: int) -> None:
        """Run the stages below `end`: calls on workers side by side, all others one by one on this thread."""
        self._end = end
        while True:
            self._start_calls()
            self._context.check()
            number = next((number for number in self._waiting if number < end and self._ready(number)), None)
            if number is not None:
                self._begin(number)
                self._finish(number, self._run_stage(number, self._stages[number]))
            elif self._context.calls.in_flight:
                self._context.worker_queues.poll(None)
            else:
                return

    def _ready(self, number: int) -> bool:
        return all(need in self._context.values for need in self._needs[number])

    def _needs_of(self, stage: Stage) -> list[int]:
        """Return the stages whose values a stage reads, as often as it does; also for the streams that it pulls."""
        stages = [stage, *(self._stages[nested] for nested in self._context.all_nested(stage))]
        found = [operand.stage for one in stages for operand in operands(one) if isinstance(operand, StageResult)]
        return [number for number in found if not is_pulled(self._stages[number])]

    def _begin(self, number: int) -> None:
        self._waiting.remove(number)
        if self._observers is not None:
            for begun in (*self._context.all_nested(self._stages[number]), number):
                self._observers.emit(events.StageStarted(time.perf_counter(), begun))

    def _finish(self, number: int, value: object) -> None:
        self._report_end(number)
        values = self._context.values
        values[number] = value
        for nested in self._context.all_nested(self._stages[number]):
            values.pop(nested, None)
        for need in self._needs[number]:
            self._readers[need] -= 1
            if not self._readers[need]:
                # No stage reads it any more, and a list may be large.
                del values[need]
                self._context.indices.pop(need, None)

    def _report_end(self, number: int) -> None:
        if self._observers is not None:
            for ended in (*self._context.all_nested(self._stages[number]), number):
                self._observers.emit(events.StageEnded(time.perf_counter(), ended))

    # Single calls on workers.

    def _start_calls(self) -> None:
        """Send all calls whose arguments are there to workers."""
        if self._context.inline:
            return
        ready = [number for number in self._waiting if number < self._end and self._ready(number)]
        for number in ready:
            stage = self._stages[number]
            functions = [step.function for step in steps_of(stage)]
            if isinstance(stage, CallStage) and self._context.starts_locally(functions, others=len(ready) > 1):
                continue
            if not isinstance(stage, StreamStage) and stage.place == "workers":
                self._begin(number)
                self._start_call(number, stage)

    def _start_call(self, number: int, stage: CallStage | MaterialiseStage) -> None:
        steps, saver = self._bind(steps_of(stage))
        kind, item_saver, first = _work_kind(stage), None, steps[0].function
        if kind == "stream":
            item_saver, saver = saver, None
        queue = self._context.worker_queue_at(first.site, loops=kind == "batch" and first.loops)
        done = partial(self._call_done, number, saver)
        SingleCall(self._context.calls, queue, steps, done, kind=kind, saver=item_saver).start()

    def _call_done(self, number: int, saver: Saver | None, value: object) -> None:
        if saver is not None:
            saver(None, value)
        self._finish(number, value)
        # Stages that waited only for this one start at once, also while a stream runs.
        self._start_calls()

    def _bind(self, steps: Sequence[Step]) -> tuple[list[BoundStep], Saver | None]:
        """Return the bound steps of a call, and the saver of the last one."""
        bound = [self._context.bind(step) for step in steps]
        return bound, self._context.saves.open(steps[-1].saves, bound[-1])

    # Stages on this thread.

    def _run_stage(self, number: int, stage: Stage) -> object:
        match stage:
            case CallStage():
                steps, saver = self._bind(stage.steps)
                value = self._call_here(steps)
                if stage.place == "workers" and self._context.codec is not None:
                    value = copied_result(self._context.codec, value, steps[-1])
                if saver is not None:
                    saver(None, value)
                return value
            case MaterialiseStage(streamed=True):
                sink = CollectSink()
                self._drive(build_generator(self._context, stage, sink))
                return sink.items
            case MaterialiseStage():
                steps, saver = self._bind([stage.step])
                return self._call_here(steps, saver=saver)
            case StreamStage():
                return self._fold(stage) if stage.sink == "reduce" else self._collect(stage, number)
            case _:
                assert_never(stage)

    def _fold(self, stage: StreamStage) -> object:
        assert stage.sink_step is not None
        assert stage.initial is not None
        (step,), saver = self._bind([stage.sink_step])
        sink, fold = self._fold_sink(stage, step, _copied(self._context.value(stage.initial), stage.sink_step))
        self._drive(build_stream(self._context, stage, sink, ordered=stage.ordered, fold=fold))
        value = sink.value
        if stage.finish is not None:
            finish = stage.finish
            try:
                value = bind_step(self._context.bind(finish), self._context.fold_loop)(value)
            except Exception as error:
                raise_with_failure(error, Failure(finish.function.name, finish.number))
        if saver is not None:
            saver(None, value)
        return value

    def _fold_sink(
        self, stage: StreamStage, step: BoundStep, initial: object
    ) -> tuple[FoldSink | CombineSink, BoundStep | None]:
        """Return the sink of a fold; if workers fold, also the step with which they do."""
        fold_loop = self._context.fold_loop
        if stage.combine is not None:
            combine = self._context.bind(stage.combine.step)
            both = bind_step(combine, fold_loop)
            given = () if stage.combine.empty is None else (self._context.value(stage.combine.empty),)
            empty = find_neutral_element(initial, given, combine.function.name, both)
            if stage.folds_on_workers and not self._context.inline:
                return CombineSink(combine, both, initial), replace(step, starts=(initial, empty))
        return FoldSink(step, bind_step(step, fold_loop), initial), None

    def _collect(self, stage: StreamStage, number: int) -> object:
        """Return the items of a stream as a list, or what the task of a join makes of it."""
        gaps = stage.sink_step is None and self._readers[number] > 0 and may_have_gaps(self._context, stage)
        sink = CollectSink(numbered=gaps)
        steps, saver = ([], None) if stage.sink_step is None else self._bind([stage.sink_step])
        self._drive(build_stream(self._context, stage, sink, ordered=True))
        if sink.indices is not None:
            self._context.indices[number] = sink.indices
        return self._call_here(steps, sink.items, saver) if steps else sink.items

    def _call_here(self, steps: Sequence[BoundStep], value: object = None, saver: Saver | None = None) -> object:
        """Take one value through steps on this thread; save the last one."""
        chain, observers = self._context.bind_chain(steps), self._observers
        call = CallOperator(chain, [*[None] * (len(steps) - 1), saver]).feed
        if observers is None:
            (value,) = call(value)
            return value
        began = time.perf_counter()
        try:
            (value,) = call(value)
        finally:
            seconds = time.perf_counter() - began
            stage, times = observers.stage_of(steps[0].number), tuple([timer.take() for timer in chain.timers])
            observers.completed_locally(stage, 1, seconds, times)
        return value

    def _drive(self, driver: Driver) -> None:
        self._driver = driver
        while driver.advance():
            if isinstance(driver, LocalDriver) and self._context.calls.in_flight:
                # A stream without workers does not take the results of calls; streams that it pulls may have workers.
                with self._context.poll_lock:
                    self._context.worker_queues.poll(0.0)
            self._context.check()
        self._close_driver()

    def _close_driver(self) -> None:
        if self._driver is not None:
            driver, self._driver = self._driver, None
            driver.close()


def _copied(initial: object, step: Step) -> object:
    """Return a deep copy of an initial value: a fold may change its accumulator, but not the plan."""
    try:
        return copy.deepcopy(initial)
    except Exception as error:
        name = step.function.name
        raise ParameterError(
            f"`initial` of `reduce` with task '{name}' cannot be copied: {initial!r}: {error}"
        ) from error


def _work_kind(stage: CallStage | MaterialiseStage) -> WorkKind:
    if isinstance(stage, CallStage):
        return "batch"
    return "stream" if stage.streamed else "generate"
