"""The equality of programs, and the fingerprint that expresses it across processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from daglite.functions import Function
from daglite.operations import spec_of
from daglite.options import Save
from daglite.program import (
    CallStage,
    Constant,
    MappedSource,
    MaterialiseStage,
    Operand,
    Program,
    Segment,
    Stage,
    StageResult,
    Step,
    StreamOperation,
    StreamStage,
)
from daglite.records import record
from daglite.tokens import UnstableValue, same_function, same_value, token

# Return the entry of a shape for a function, an argument or a save; the text describes the leaf for messages.
_Leaf = Callable[[object, str], object]


@record(eq=True)
class Fingerprint:
    """A digest, or the reason why there is none."""

    digest: str | None
    reason: str = ""


def fingerprint(program: Program) -> Fingerprint:
    """Hash structure, code, closure values and arguments; not limits, workers, stores or identities."""
    try:
        return Fingerprint(token([_shape(stage, _token_of_leaf) for stage in program.stages]))
    except UnstableValue as reason:
        return Fingerprint(None, str(reason))


def same_program(left: Program, right: Program) -> bool:
    """Return whether two programs have the same steps, functions, arguments, sharing, title and limits.

    Stages are numbered in data order, so equal sharing shows as equal numbers.
    """
    if (left.title, left.optimised, left.limits) != (right.title, right.optimised, right.limits):
        return False
    # The shapes show the places of leaves only; the leaves are compared in the same order.
    left_leaves: list[object] = []
    right_leaves: list[object] = []
    left_shape = [_shape(stage, lambda leaf, _: left_leaves.append(leaf)) for stage in left.stages]
    right_shape = [_shape(stage, lambda leaf, _: right_leaves.append(leaf)) for stage in right.stages]
    return left_shape == right_shape and all(map(_same_leaf, left_leaves, right_leaves))


def _shape(stage: Stage, leaf: _Leaf) -> tuple[object, ...]:
    """Return a stage as plain tuples, with `leaf(x)` in the place of each function, argument value and save."""
    match stage:
        case CallStage():
            return ("call", stage.place, *(_step(step, leaf) for step in stage.steps))
        case MaterialiseStage():
            return ("materialise", stage.streamed, _step(stage.step, leaf))
        case StreamStage():
            return _stream(stage, leaf)
        case _:
            assert_never(stage)


def _stream(stage: StreamStage, leaf: _Leaf) -> tuple[object, ...]:
    if isinstance(stage.source, Step):
        source = _step(stage.source, leaf)
    else:
        source = _mapped(stage.source, leaf, (*stage.links, *((stage.sink_step,) if stage.sink_step else ())))
    # A stream without operations has the shape that it had before there were operations.
    links: object = tuple(_step(link, leaf) for link in stage.links)
    if stage.operations:
        links = tuple(_segment(segment, leaf) for segment in stage.segments)
    end = initial = None
    if stage.sink_step is not None:
        end = _step(stage.sink_step, leaf)
        if stage.initial is not None:
            initial = _operand(stage.initial, leaf, f"argument 'initial' of task '{stage.sink_step.function.name}'")
    most = () if stage.max_results is None else (stage.max_results,)
    sink = (stage.sink, end, initial, stage.ordered, *_combine(stage, leaf), *most)
    finish = () if stage.finish is None else ("finish", _step(stage.finish, leaf))
    return ("stream", source, links, *sink, *finish)


def _segment(segment: Segment, leaf: _Leaf) -> tuple[object, ...]:
    operations = tuple(_operation(operation, leaf) for operation in segment.operations)
    return ("segment", operations, tuple(_step(link, leaf) for link in segment.links))


def _operation(operation: StreamOperation, leaf: _Leaf) -> tuple[object, ...]:
    shape = (operation.kind, _step(operation.step, leaf), operation.numbers)
    if operation.operand is None:
        return shape
    where = f"`{spec_of(operation.kind).operand}` of `{operation.kind}`"
    return (*shape, _operand(operation.operand, leaf, where))


def _combine(stage: StreamStage, leaf: _Leaf) -> tuple[object, ...]:
    combine = stage.combine
    if combine is None:
        return ()
    task = combine.step.function.name
    empty = None if combine.empty is None else _operand(combine.empty, leaf, f"argument 'empty' of task '{task}'")
    return ("combine", _step(combine.step, leaf), empty, combine.place)


def _step(step: Step, leaf: _Leaf) -> tuple[object, ...]:
    task = f"task '{step.function.name}'"
    # Bindings have no order of their own: `t.partial(a=1)(b=2)` is `t(b=2, a=1)`.
    arguments = tuple(
        (name, _operand(operand, leaf, f"argument '{name}' of {task}"))
        for name, operand in sorted(step.arguments, key=lambda argument: argument[0])
    )
    saves = tuple(leaf(save, f"a save of {task}") for save in step.saves)
    kind: tuple[object, ...] = ("filter",) if step.filters else () if step.limit is None else ("first", step.limit)
    if step.flattens:
        kind = (*kind, "taken apart")
    if step.function.site is not None:
        # The engine, but not the number of its workers.
        kind = (*kind, ("on", step.function.site.on))
    return (*kind, leaf(step.function, task), arguments, step.items, saves)


def _mapped(source: MappedSource, leaf: _Leaf, steps: tuple[Step, ...]) -> tuple[object, ...]:
    limit = () if source.limit is None else (source.limit,)
    task = f" of task '{steps[0].function.name}'" if steps else ""
    # In the order of the arguments, which is that of a product.
    pairs = tuple((name, _operand(operand, leaf, f"argument '{name}'{task}")) for name, operand in source.sources)
    return (source.mode, pairs, *limit)


def _operand(operand: Operand, leaf: _Leaf, where: str) -> object:
    if isinstance(operand, StageResult):
        return ("result", operand.stage) if operand.limit is None else ("result", operand.stage, operand.limit)
    return ("value", leaf(operand, where))


def _token_of_leaf(leaf: object, where: str) -> object:
    """Return the token of a leaf; raise `UnstableValue`, which names the leaf."""
    if isinstance(leaf, Save):
        return leaf.key.text
    try:
        return token(leaf.value if isinstance(leaf, Constant) else leaf)
    except UnstableValue as reason:
        raise UnstableValue(f"{where}: {reason}") from None


def _same_leaf(a: object, b: object) -> bool:
    match a, b:
        case Function(), Function():
            return same_function(a, b)
        case Constant(), Constant():
            return same_value(a.value, b.value)
        case Save(), Save():
            return a.key.text == b.key.text and same_value(a.store, b.store)
        case _:
            return False
