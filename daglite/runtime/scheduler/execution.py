"""One run of a program: which stage may start, and who waits for whom."""

from __future__ import annotations

import contextlib
import copy
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, assert_never

from daglite.exceptions import Failure, ParameterError, TransferError
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
from daglite.runtime.dataflow.saves import Saver
from daglite.runtime.dataflow.sinks import CollectSink, CombineSink, FoldSink, OutputQueue
from daglite.runtime.kernel.bound_step import BoundStep
from daglite.runtime.kernel.errors import add_generator_note, raise_with_failure
from daglite.runtime.kernel.neutral_element import find_neutral_element
from daglite.runtime.kernel.steps import StepChain, bind_step
from daglite.runtime.kernel.work import WorkKind
from daglite.runtime.local.executor import LocalDriver, run_steps
from daglite.runtime.local.item_copies import copied_result
from daglite.runtime.scheduler.build_stream import gapped, generator_flow, open_flow
from daglite.runtime.scheduler.context import RunContext

if TYPE_CHECKING:
    import daglite.events as events
    from daglite.runtime.metrics import observers as watches
else:
    events, watches = lazy("daglite.events"), lazy("daglite.runtime.metrics.observers")


class Execution:
    """One run. Use it as a context manager: leaving it ends everything the run started."""

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
        self._watch = watches.RunObservers(program, observers, str(settings.runtime)) if observers else None
        self._context = RunContext(program, settings, store, cancellable=cancellable, watch=self._watch)
        # The stages whose values each needs; what is pulled by another is run by it, and so are its needs.
        self._needs = [self._needs_of(stage) for stage in program.stages]
        runs = [number for number, stage in enumerate(program.stages) if not is_pulled(stage)]
        self._readers = Counter(need for number in runs for need in self._needs[number])
        self._waiting = runs
        # Stages below this number may start; a streamed run keeps the last one back.
        self._end = 0
        self._flow: Driver | None = None

    def __enter__(self) -> Execution:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        try:
            self.close()
        except Exception as late:
            # The first error is the one to see; what went wrong while cleaning up is its context.
            if error is None:
                raise
            error.__context__ = error.__context__ or late

    def run(self) -> object:
        """Run every stage; the value of the last."""
        with self._watched():
            try:
                self._run_below(len(self._stages))
            except (TypeError, AttributeError) as error:
                add_generator_note(error, self._stages)
                raise
        return self._context.values[len(self._stages) - 1]

    def run_for(self, numbers: Collection[int]) -> RunContext:
        """Run the stages with these numbers and what they need, and nothing else; their values stay in the context."""
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
        """Run all stages but the last, then hand out its items one by one as they are asked for."""
        with self._watched():
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
        flow = self._flow = open_flow(self._context, stage, output_queue, ordered=ordered)
        more = True
        while more or output_queue.waiting:
            while more and not output_queue.waiting:
                self._check()
                try:
                    more = flow.advance()
                except Exception:
                    # What came before it has its turn before it, and nothing else goes on meanwhile.
                    while output_queue.waiting:
                        yield output_queue.waiting.popleft()[0]
                    raise
            if output_queue.waiting:
                value, nbytes = output_queue.waiting.popleft()
                flow.release(nbytes)
                flow.rest()
                yield value
        self._close_flow()
        self._tell_end(last)

    def cancel(self) -> None:
        """End the run from another thread: it raises `Cancelled` at its next turn."""
        self._context.cancelled.set()
        self._context.wake()

    def close(self) -> None:
        """End the source, the helper thread, the workers and the private loop, whatever state they are in."""
        try:
            self._close_flow()
        finally:
            try:
                self._context.close()
            finally:
                if self._watch is not None:
                    self._watch.ended()

    def _watched(self) -> AbstractContextManager[None]:
        return contextlib.nullcontext() if self._watch is None else self._watch.running()

    def _run_below(self, end: int) -> None:
        """Run the stages below `end`: calls on workers side by side, everything else in turn on this thread."""
        self._end = end
        while True:
            self._start_calls()
            self._check()
            here = next((number for number in self._waiting if number < end and self._ready(number)), None)
            if here is not None:
                self._begin(here)
                self._finish(here, self._run_here(here, self._stages[here]))
            elif self._context.calls.in_flight:
                self._context.worker_queues.poll(None)
            else:
                return

    def _check(self) -> None:
        error = self._context.error_beside()
        if error is not None:
            raise error

    def _ready(self, number: int) -> bool:
        return all(need in self._context.values for need in self._needs[number])

    def _needs_of(self, stage: Stage) -> list[int]:
        """The stages whose values a stage reads, as often as it does, those included that what it pulls reads."""
        found, stack = list[int](), [stage]
        while stack:
            for operand in operands(stack.pop()):
                if isinstance(operand, StageResult):
                    below = self._stages[operand.stage]
                    if is_pulled(below):
                        stack.append(below)
                    else:
                        found.append(operand.stage)
        return found

    def _begin(self, number: int) -> None:
        self._waiting.remove(number)
        if self._watch is not None:
            for pulled in self._context.all_beside(self._stages[number]):
                self._watch.stage_started(pulled)
            self._watch.stage_started(number)

    def _finish(self, number: int, value: object) -> None:
        self._tell_end(number)
        values = self._context.values
        values[number] = value
        for pulled in self._context.all_beside(self._stages[number]):
            values.pop(pulled, None)
        for need in self._needs[number]:
            self._readers[need] -= 1
            if not self._readers[need]:
                # Its last reader has it: a list may be large.
                del values[need]
                self._context.indices.pop(need, None)

    def _tell_end(self, number: int) -> None:
        if self._watch is not None:
            for ended in (*self._context.all_beside(self._stages[number]), number):
                self._watch.stage_ended(ended)

    # Single calls on workers.

    def _start_calls(self) -> None:
        """Send every call whose arguments are there to a worker."""
        if self._context.inline:
            return
        ready = [number for number in self._waiting if number < self._end and self._ready(number)]
        for number in ready:
            stage = self._stages[number]
            functions = [step.function for step in steps_of(stage)]
            if isinstance(stage, CallStage) and self._context.begins_here(functions, alone=len(ready) == 1):
                continue
            if isinstance(stage, MaterialiseStage) and stage.place == "workers":
                self._begin(number)
                self._start_generator(number, stage)
            elif isinstance(stage, CallStage) and stage.place == "workers":
                self._begin(number)
                self._start_call(number, stage)

    def _start_generator(self, number: int, stage: MaterialiseStage) -> None:
        worker_queue = self._context.worker_queue_at(stage.step.function.site)
        step = self._context.bind(stage.step)
        saver = self._context.book.open(stage.step.saves, step)
        each, whole = (saver, None) if stage.streamed else (None, saver)
        done = partial(self._call_done, number, whole)
        kind: WorkKind = "stream" if stage.streamed else "generate"
        self._context.calls.start(worker_queue, [step], done, kind=kind, saver=each)

    def _start_call(self, number: int, stage: CallStage) -> None:
        first = stage.steps[0].function
        worker_queue = self._context.worker_queue_at(first.site, loops=first.loops)
        steps, saver = self._bound(stage)
        self._context.calls.start(worker_queue, steps, partial(self._call_done, number, saver))

    def _call_done(self, number: int, saver: Saver | None, value: object) -> None:
        if saver is not None:
            saver(None, value)
        self._finish(number, value)
        # What waited only for this starts at once, also while a stream is running.
        self._start_calls()

    def _bound(self, stage: CallStage) -> tuple[list[BoundStep], Saver | None]:
        steps = [self._context.bind(step) for step in stage.steps]
        return steps, self._context.book.open(stage.steps[-1].saves, steps[-1])

    # Stages on this thread.

    def _run_here(self, number: int, stage: Stage) -> object:
        match stage:
            case CallStage():
                steps, saver = self._bound(stage)
                value = self._call_here(steps, None, [None] * len(steps))
                if stage.place == "workers" and self._context.codec is not None:
                    value = self._sent_back(value, steps[-1])
                if saver is not None:
                    saver(None, value)
                return value
            case MaterialiseStage(streamed=True):
                collecting = CollectSink()
                self._drive(generator_flow(self._context, stage.step, collecting))
                return collecting.items
            case MaterialiseStage():
                step = self._context.bind(stage.step)
                saver = self._context.book.open(stage.step.saves, step)
                return self._call_here([step], None, [saver])
            case StreamStage():
                return self._fold(stage) if stage.sink == "reduce" else self._collect(stage, number)
            case _:
                assert_never(stage)

    def _sent_back(self, value: object, step: BoundStep) -> object:
        """What a call here gives, as it would have come from a worker."""
        assert self._context.codec is not None
        try:
            return copied_result(self._context.codec, value, step)
        except TransferError as error:
            raise_with_failure(error, Failure(step.function.name, step.number))

    def _fold(self, stage: StreamStage) -> object:
        assert stage.sink_step is not None
        assert stage.initial is not None
        step = self._context.bind(stage.sink_step)
        saver = self._context.book.open(stage.sink_step.saves, step)
        initial = _copied(self._context.value(stage.initial), stage.sink_step)
        sink, part = self._fold_ending(stage, step, initial)
        here = self._folding_here(step, initial) if part is not None and self._context.begins_here(()) else None
        self._drive(open_flow(self._context, stage, sink, ordered=stage.ordered, fold=part, here=here))
        # Where workers fold but none had anything to fold, it is what was folded here.
        value = here.value if here is not None and isinstance(sink, CombineSink) and not sink.begun else sink.value
        if stage.finish is not None:
            value = self._finished(stage.finish, value)
        if saver is not None:
            saver(None, value)
        return value

    def _finished(self, finish: Step, value: object) -> object:
        """What a fold makes of its last accumulator."""
        try:
            return bind_step(self._context.bind(finish), self._context.fold_loop)(value)
        except Exception as error:
            raise_with_failure(error, Failure(finish.function.name, finish.number))

    def _folding_here(self, step: BoundStep, initial: object) -> FoldSink:
        """Folds what comes before the first item that a worker folds; the value that they start from stays as it is."""
        return FoldSink(step, bind_step(step, self._context.fold_loop), copy.deepcopy(initial))

    def _fold_ending(
        self, stage: StreamStage, step: BoundStep, initial: object
    ) -> tuple[FoldSink | CombineSink, BoundStep | None]:
        """The ending of a fold; where workers fold, also the step that does it there."""
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
        """Collect the items; with a join, give them to its task, here where they are."""
        if stage.sink_step is None:
            kept = self._readers[number] > 0 and gapped(self._context, stage)
            collecting = CollectSink(numbered=kept)
            self._drive(open_flow(self._context, stage, collecting, ordered=True))
            if collecting.indices is not None:
                self._context.indices[number] = collecting.indices
            return collecting.items
        collecting = CollectSink()
        join = self._context.bind(stage.sink_step)
        saver = self._context.book.open(stage.sink_step.saves, join)
        self._drive(open_flow(self._context, stage, collecting, ordered=True))
        return self._call_here([join], collecting.items, [saver])

    def _call_here(self, steps: Sequence[BoundStep], value: object, savers: Sequence[Saver | None]) -> object:
        """Take one value through steps on this thread."""
        chain, watch = StepChain(steps, self._context.loop, retry_tracker=self._context.retry_tracker), self._watch
        if watch is None:
            return run_steps(chain, value, None, savers)
        began = time.perf_counter()
        try:
            return run_steps(chain, value, None, savers)
        finally:
            seconds = time.perf_counter() - began
            watch.completed_locally(
                watch.stage_of(steps[0].number), 1, seconds, tuple([timer.take() for timer in chain.timers])
            )

    def _drive(self, flow: Driver) -> None:
        self._flow = flow
        while flow.advance():
            if isinstance(flow, LocalDriver) and self._context.calls.in_flight:
                # A stream without workers does not look after the calls beside it. Those that it pulls may have some.
                with self._context.polling:
                    self._context.worker_queues.poll(0.0)
            self._check()
        self._close_flow()

    def _close_flow(self) -> None:
        if self._flow is not None:
            flow, self._flow = self._flow, None
            flow.close()


def _copied(initial: object, step: Step) -> object:
    """A deep copy, so that a fold that changes its accumulator leaves the plan as it was."""
    try:
        return copy.deepcopy(initial)
    except Exception as error:
        name = step.function.name
        raise ParameterError(
            f"`initial` of `reduce` with task '{name}' cannot be copied: {initial!r}: {error}"
        ) from error
