"""When two programs are the same, and the fingerprint that says so across processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
    steps_of,
)
from daglite.records import record
from daglite.tokens import UnstableValue, same_function, same_value, token


@record(eq=True)
class Fingerprint:
    """A digest, or the reason why there is none."""

    digest: str | None
    reason: str = ""


def fingerprint(program: Program) -> Fingerprint:
    """Hash structure, code, closure values and arguments; never worker counts, windows, stores or identities."""
    try:
        return Fingerprint(token([_shape(stage, _printed) for stage in program.stages]))
    except UnstableValue as reason:
        return Fingerprint(None, _of_an_argument(program) or str(reason))


def _of_an_argument(program: Program) -> str | None:
    """The reason in names that users know, when it is an argument that has no token."""
    for stage in program.stages:
        for task, name, operand in _arguments(stage):
            try:
                token(operand.value if isinstance(operand, Constant) else None)
            except UnstableValue as reason:
                return f"argument '{name}' of task '{task}': {reason}"
    return None


def _arguments(stage: Stage) -> Iterator[tuple[str, str, Operand]]:
    """Every argument with the names of its task and parameter."""
    for step in steps_of(stage):
        yield from ((step.function.name, name, operand) for name, operand in step.arguments)
        if isinstance(stage, StreamStage) and step is stage.end and stage.initial is not None:
            yield step.function.name, "initial", stage.initial
    for operation in stage.operations if isinstance(stage, StreamStage) else ():
        if operation.operand is not None:
            yield operation.step.function.name, spec_of(operation.kind).operand, operation.operand
    if isinstance(stage, StreamStage) and isinstance(stage.source, MappedSource):
        first = steps_of(stage)[0].function.name
        yield from ((first, name, operand) for name, operand in stage.source.sources)
    if isinstance(stage, StreamStage) and stage.combine is not None:
        step, empty = stage.combine.step, stage.combine.empty
        yield from ((step.function.name, name, operand) for name, operand in step.arguments)
        if empty is not None:
            yield step.function.name, "empty", empty


def same_program(left: Program, right: Program) -> bool:
    """Whether two programs have the same steps, functions, arguments, sharing, title and limits.

    Stages are numbered in data order, so equal sharing shows as equal numbers.
    """
    if (left.title, left.optimised, left.limits) != (right.title, right.optimised, right.limits):
        return False
    mine: list[object] = []
    theirs: list[object] = []
    # The shapes hold nothing of a leaf but its place; the leaves stand beside them, in the same order.
    if [_shape(stage, lambda leaf, _: mine.append(leaf)) for stage in left.stages] != [
        _shape(stage, lambda leaf, _: theirs.append(leaf)) for stage in right.stages
    ]:
        return False
    return len(mine) == len(theirs) and all(map(_same_leaf, mine, theirs))


# Gives what stands in a shape for a function, an argument or a save; the text says where it is.
_Leaf = Callable[[object, str], object]


def _shape(stage: Stage, leaf: _Leaf) -> tuple[object, ...]:
    """A stage as plain tuples, with `leaf(x)` in place of each function, argument value and save."""
    match stage:
        case CallStage():
            return ("call", stage.place, *(_step(step, leaf) for step in stage.steps))
        case MaterialiseStage():
            return ("materialise", stage.streamed, _step(stage.step, leaf))
        case StreamStage():
            source = _step(stage.source, leaf) if isinstance(stage.source, Step) else _mapped(stage.source, leaf)
            # A stream without operations has the shape that it had before there were any.
            links: object = tuple(_step(link, leaf) for link in stage.links)
            if stage.operations:
                links = tuple(_segment(segment, leaf) for segment in stage.segments)
            end = None if stage.end is None else _step(stage.end, leaf)
            initial = None if stage.initial is None else _operand(stage.initial, leaf, "`initial`")
            most = () if stage.most is None else (stage.most,)
            sink = (stage.sink, end, initial, stage.ordered, *_combine(stage, leaf), *most)
            finish = () if stage.finish is None else ("finish", _step(stage.finish, leaf))
            return ("stream", source, links, *sink, *finish)
        case _:
            assert_never(stage)


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
    empty = None if combine.empty is None else _operand(combine.empty, leaf, "`empty`")
    return ("combine", _step(combine.step, leaf), empty, combine.place)


def _step(step: Step, leaf: _Leaf) -> tuple[object, ...]:
    # Bindings have no order of their own: `t.partial(a=1)(b=2)` is `t(b=2, a=1)`.
    task = f"task '{step.function.name}'"
    arguments = tuple(
        (name, _operand(operand, leaf, f"argument '{name}' of {task}"))
        for name, operand in sorted(step.arguments, key=_name)
    )
    saves = tuple(leaf(save, f"a save of {task}") for save in step.saves)
    kind: tuple[object, ...] = ("filter",) if step.filters else () if step.limit is None else ("first", step.limit)
    if step.flattens:
        kind = (*kind, "taken apart")
    if step.function.site is not None:
        # Where it runs, but not on how many workers.
        kind = (*kind, ("on", step.function.site.on))
    return (*kind, leaf(step.function, task), arguments, step.items, saves)


def _mapped(source: MappedSource, leaf: _Leaf) -> tuple[object, ...]:
    # Here the order counts: it is the order of the product.
    limit = () if source.limit is None else (source.limit,)
    pairs = tuple((name, _operand(o, leaf, f"mapped argument '{name}'")) for name, o in source.sources)
    return (source.mode, pairs, *limit)


def _operand(operand: Operand, leaf: _Leaf, where: str) -> object:
    if isinstance(operand, StageResult):
        return ("result", operand.stage) if operand.limit is None else ("result", operand.stage, operand.limit)
    return ("value", leaf(operand, where))


def _name(argument: tuple[str, Operand]) -> str:
    return argument[0]


def _printed(leaf: object, where: str) -> object:
    """The token of a leaf; raises `UnstableValue`, saying where it stands."""
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
