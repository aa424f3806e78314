"""One failed item once more, in this process: for a debugger, which sees the task's own frames."""

from __future__ import annotations

from collections.abc import Sequence

from daglite.exceptions import ExecutionError, Failure, ReplayRecord, TaskError, TransferError
from daglite.program import CallStage, Program, Segment, Stage, StageResult, Step, StreamStage, steps_of
from daglite.records import replace
from daglite.run_options import RunSettings
from daglite.runtime.dataflow.sinks import CollectSink
from daglite.runtime.dataflow.source import Source
from daglite.runtime.kernel.steps import StepChain
from daglite.runtime.local.executor import LocalDriver, run_steps
from daglite.runtime.scheduler.context import RunContext
from daglite.runtime.scheduler.execution import Execution


def replay(program: Program, failure: Failure) -> object:
    """Take the item of a failure from where it was kept to the step that failed, which is called once, as it is.

    What arguments need is run before that, in this process; nothing is saved. Gives the step's value if it does not
    fail this time. Raises `TaskError` when the failure is not of this program or of a step that has no item, and
    `TransferError` when its item was not kept.
    """
    kept = failure.kept
    stage, steps = _steps_to(program, failure, kept)
    single = isinstance(stage, CallStage)
    value = kept.item if kept is not None and not (single and not steps[0].items) else None
    needed = {o.stage for step in steps for _, o in step.arguments if isinstance(o, StageResult)}
    settings = RunSettings(runtime="inline", seed=0 if kept is None else kept.seed)
    with Execution(_without_saves(program), settings, None) as execution:
        context = execution.run_for(needed)
        if single:
            chain = StepChain([context.bind(step) for step in steps], context.loop, retry_tracker=context.retry_tracker)
            return run_steps(chain, value, None, [None] * len(steps))
        return _on_item(context, steps, value, failure)


def _on_item(context: RunContext, steps: Sequence[Step], item: object, failure: Failure) -> object:
    first, sink = steps[0], CollectSink()
    indices = None if failure.index is None else [failure.index]
    source = Source(
        iter([item]), name=first.function.name, number=first.number, saver=None, codec=None, indices=indices
    )
    chain = StepChain([context.bind(step) for step in steps], context.loop, retry_tracker=context.retry_tracker)
    LocalDriver(source, chain, [None] * len(steps), sink, None, watchful=False).advance()
    if not sink.items:
        raise ExecutionError(f"the item was dropped before it came to task '{failure.task}', or by it, this time")
    return sink.items[0]


def _steps_to(program: Program, failure: Failure, kept: ReplayRecord | None) -> tuple[Stage, list[Step]]:
    """The stage of the failure, and its steps from where the item was kept to the one that failed."""
    for stage in program.stages:
        for step in steps_of(stage):
            if step.number == failure.step and step.function.name == failure.task:
                return stage, _path(stage, step, kept)
    raise TaskError(
        f"this plan has no step {failure.step} with task '{failure.task}'; give the failure to the plan that ran"
    )


def _path(stage: Stage, failed: Step, kept: ReplayRecord | None) -> list[Step]:
    links: Sequence[Step] = ()
    if isinstance(stage, StreamStage):
        links = stage.links
    elif isinstance(stage, CallStage):
        links = stage.steps
    if failed not in links:
        raise TaskError(
            f"task '{failed.function.name}' is a generator, a fold or a join of a stream, of which no item is kept; "
            "run the plan with runtime='inline' to debug it"
        )
    if isinstance(stage, StreamStage) and kept is None:
        raise TransferError(f"the item at which task '{failed.function.name}' failed was not kept")
    numbers = [link.number for link in links]
    begin = numbers.index(kept.step) if kept is not None and kept.step in numbers else 0
    before, last = links[begin : links.index(failed)], failed
    # A filter tells as any task does; nothing is tried again, and nothing made of an error.
    plain = replace(last.function, retries=0, retry=None, on_error="raise")
    return [*before, replace(last, function=plain, passes=None)]


def _without_saves(program: Program) -> Program:
    return replace(program, stages=tuple([_unsaved(stage) for stage in program.stages]))


def _unsaved(stage: Stage) -> Stage:
    match stage:
        case CallStage():
            return replace(stage, steps=tuple([replace(step, saves=()) for step in stage.steps]))
        case StreamStage():
            source = replace(stage.source, saves=()) if isinstance(stage.source, Step) else stage.source
            segments = tuple([_unsaved_segment(segment) for segment in stage.segments])
            end = None if stage.sink_step is None else replace(stage.sink_step, saves=())
            return replace(stage, source=source, segments=segments, sink_step=end)
        case _:
            return replace(stage, step=replace(stage.step, saves=()))


def _unsaved_segment(segment: Segment) -> Segment:
    operations = [replace(one, step=replace(one.step, saves=())) for one in segment.operations]
    return replace(
        segment, operations=tuple(operations), links=tuple([replace(one, saves=()) for one in segment.links])
    )
