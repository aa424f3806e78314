"""Give each step a number that is the same in every form of a plan; its seeds and retry delays follow from it.

Step numbers follow the order in which stages run, which fusing may change. How many steps lead to a step does not
change. So the number is made of the task's name, that depth, and how many like it come before.
"""

from __future__ import annotations

from collections import Counter

from daglite.program import MappedSource, Operand, Program, Stage, StageResult, Step, StreamStage, steps_of
from daglite.task_context import step_id


def step_ids(program: Program) -> dict[int, int]:
    """Return these numbers of all steps, by their step numbers."""
    # How many steps lead to the value of each stage.
    ends: list[int] = []
    seen: Counter[tuple[str, int]] = Counter()
    found: dict[int, int] = {}
    for stage in program.stages:
        depth = 0
        if isinstance(stage, StreamStage) and isinstance(stage.source, MappedSource):
            depth = _deepest([operand for _, operand in stage.source.sources], ends)
        operations = stage.operations if isinstance(stage, StreamStage) else ()
        others = {operation.step.number: operation.operand for operation in operations}
        for step in steps_of(stage):
            depth = max(depth, _depth(step, stage, ends))
            if step.number in others:
                # An operation does not count: in one form of a plan the limit after a filter is one, too.
                other = others[step.number]
                depth = max(depth, _deepest([] if other is None else [other], ends))
            else:
                depth += 1
            kind = step.function.name, depth
            found[step.number] = step_id(*kind, seen[kind])
            seen[kind] += 1
        ends.append(depth)
    return found


def _depth(step: Step, stage: Stage, ends: list[int]) -> int:
    operands = [operand for _, operand in step.arguments]
    if isinstance(stage, StreamStage) and step is stage.sink_step and stage.initial is not None:
        operands.append(stage.initial)
    return _deepest(operands, ends)


def _deepest(operands: list[Operand], ends: list[int]) -> int:
    return max((ends[operand.stage] for operand in operands if isinstance(operand, StageResult)), default=0)
