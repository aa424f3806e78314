"""Run one failed item once more, in this process: a debugger stops in the task's own frames then."""

from __future__ import annotations

from collections.abc import Sequence

from daglite.exceptions import ExecutionError, Failure, ReplayRecord, TaskError, TransferError
from daglite.program import CallStage, Program, Stage, StageResult, Step, StreamStage, steps_of
from daglite.records import replace
from daglite.run_options import RunSettings
from daglite.runtime.dataflow.operators import CallOperator
from daglite.runtime.dataflow.sinks import CollectSink
from daglite.runtime.local.executor import LocalDriver
from daglite.runtime.scheduler.bind_stream import step_source
from daglite.runtime.scheduler.execution import Execution


def replay(program: Program, failure: Failure) -> object:
    """Take the item of a failure from the step where it was kept through the step that failed.

    The failed step is called once, without retries and error handling. Stages that its arguments need run before it,
    in this process; nothing is saved. Returns the value of the step if it does not fail this time.

    Raises `TaskError` if the failure does not belong to this program, or its step has no item. Raises `TransferError`
    if the item was not kept.
    """
    kept = failure.kept
    stage, steps = _steps_to(program, failure, kept)
    single = isinstance(stage, CallStage)
    value = kept.item if kept is not None and not (single and not steps[0].items) else None
    needed = {o.stage for step in steps for _, o in step.arguments if isinstance(o, StageResult)}
    settings = RunSettings(runtime="inline", seed=0 if kept is None else kept.seed)
    with Execution(program, settings, None) as execution:
        context = execution.run_for(needed)
        chain, savers = context.bind_chain([context.bind(step) for step in steps]), [None] * len(steps)
        if single:
            (value,) = CallOperator(chain, savers).feed(value)
            return value
        sink, indices = CollectSink(), None if failure.index is None else [failure.index]
        LocalDriver(step_source(steps[0], iter([value]), indices=indices), chain, savers, sink).advance()
    if not sink.items:
        raise ExecutionError(f"the item was dropped before it came to task '{failure.task}', or by it, this time")
    return sink.items[0]


def _steps_to(program: Program, failure: Failure, kept: ReplayRecord | None) -> tuple[Stage, list[Step]]:
    """Return the stage of the failure, and its steps from the one where the item was kept to the one that failed."""
    for stage in program.stages:
        for step in steps_of(stage):
            if step.number == failure.step and step.function.name == failure.task:
                return stage, _replayed_steps(stage, step, kept)
    raise TaskError(
        f"this plan has no step {failure.step} with task '{failure.task}'; give the failure to the plan that ran"
    )


def _replayed_steps(stage: Stage, failed: Step, kept: ReplayRecord | None) -> list[Step]:
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
    # A filter is called as any other task; an error is raised at once.
    plain = replace(last.function, retries=0, retry=None, on_error="raise")
    return [*before, replace(last, function=plain, passes=None)]
