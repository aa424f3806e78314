"""The generated loops of a program as text: what runs between a source, the tasks and an ending."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from daglite.codegen import LoopShape, between_shape, flowing_shape, inline_shape, worker_shape, write_loop
from daglite.program import Program, Segment, Step, StreamStage
from daglite.records import replace

_WHOLE = "in the coordinator, from the source to the ending"
_REST = "in the coordinator, up to the ending"
_SHARED = f"{_WHOLE}; items are shared (inline, threads)"
_CAPTURED = f"{_WHOLE}; items are captured (processes, auto)"
_NEXT = "in the coordinator, for the operations that come next"
_WORKER = "in a worker, over the items of one batch"
_INLINE = 'with runtime="inline", '
_HERE = "otherwise in the coordinator, called with one item after the other, without a loop of their own"
_COROUTINES = "otherwise coroutines of one event loop on a thread, each with one item after the other"


def source_text(program: Program) -> str:
    """The loops of every stream stage, each as it is compiled, with comments that say what its names stand for."""
    streams = [stage for stage in program.stages if isinstance(stage, StreamStage)]
    blocks = [block for stage in streams for block in _blocks(stage)]
    return "\n\n".join(blocks) if blocks else "# no stream in this plan: single calls need no loop"


def _blocks(stage: StreamStage) -> Iterator[str]:
    """What runs in one process, and behind it what runs in its place with workers, where there is work for them."""
    groups = list(_groups(stage.segments))
    # In one process there is one place, so neighbours that differ in nothing else are one loop.
    whole = replace(stage, segments=tuple([_joined(group) for group in groups]))
    with_workers = stage.folds_on_workers or any(not link.function.here for link in stage.links)
    for group, segment in zip(groups, whole.segments, strict=True):
        away = [block for part in group for block in _away(stage, part)] if with_workers else []
        yield from _here(whole, segment, inline=_INLINE if away else "", with_workers=with_workers)
        yield from away


def _here(stage: StreamStage, segment: Segment, *, inline: str, with_workers: bool) -> Iterator[str]:
    """A segment in one process; `inline` says when, where that is not always."""
    if segment is not stage.last:
        yield _block(stage, segment, flowing_shape(stage, segment), inline + _NEXT)
        return
    shape, where = inline_shape(stage), _WHOLE if len(stage.segments) == 1 else _REST
    if not with_workers and isinstance(stage.source, Step) and not segment.operations:
        yield _block(stage, segment, shape, _SHARED)
        yield _block(stage, segment, shape._replace(snaps=True), _CAPTURED)
    else:
        yield _block(stage, segment, shape, inline + where)


def _away(stage: StreamStage, segment: Segment) -> Iterator[str]:
    """What runs in the place of a segment when there are workers."""
    ends = segment is stage.last and stage.folds_on_workers
    if not segment.links and not ends:
        return
    if segment.links and (segment.loops or segment.links[0].function.here):
        yield f"# {_numbers(segment.links)}: {_COROUTINES if segment.loops else _HERE}"
    else:
        shape = worker_shape(stage) if segment is stage.last else between_shape(segment.links)
        yield _block(stage, segment, shape, _WORKER)


def _groups(segments: Sequence[Segment]) -> Iterator[list[Segment]]:
    """The segments, together those that stand apart only because of their places."""
    group: list[Segment] = []
    for segment in segments:
        if group and segment.operations:
            yield group
            group = []
        group.append(segment)
    yield group


def _joined(group: Sequence[Segment]) -> Segment:
    return Segment(group[0].operations, tuple([link for segment in group for link in segment.links]))


def _block(stage: StreamStage, segment: Segment, shape: LoopShape, where: str) -> str:
    numbers = _numbers(_steps(stage, segment))
    legend = [f"#   {name:11}{meaning}" for name, meaning in _names(stage, segment, shape, away=where == _WORKER)]
    return "\n".join([f"# {numbers}: {where}", *legend, write_loop(shape).source])


def _numbers(steps: Sequence[Step]) -> str:
    first, last = steps[0].number, steps[-1].number
    return f"step {first}" if first == last else f"steps {first} to {last}"


def _steps(stage: StreamStage, segment: Segment) -> list[Step]:
    """The steps of a segment, the source and the ending included."""
    steps = [operation.step for operation in segment.operations]
    if segment is stage.segments[0] and isinstance(stage.source, Step):
        steps.insert(0, stage.source)
    steps.extend(segment.links)
    if segment is stage.last and stage.end is not None:
        steps.append(stage.end)
    return steps


def _names(stage: StreamStage, segment: Segment, shape: LoopShape, *, away: bool) -> Iterator[tuple[str, str]]:
    """The names in the loop that stand for something of the user's."""
    yield "items", _items(stage, segment)
    if shape.saves_items and isinstance(stage.source, Step):
        yield "save_item", _keys(stage.source)
    if shape.snaps:
        yield "snap", "the item as it was when it was yielded"
    for position, link in enumerate(segment.links):
        does = ", which lets an item pass or drops it" if link.filters else ""
        if position in shape.skips:
            does = ", which gives SKIPPED for an item at which it fails"
        yield f"call_{position}", f"{link.function.name} (step {link.number}){does}"
        if shape.saves[position]:
            kept = _keys(link) if not away else f"keeps the value for {_keys(link)}"
            yield f"save_{position}", kept
    if shape.ends:
        yield "full", f"tells when {stage.most} results have come"
    if shape.end == "cells":
        yield "append", "keeps a result to be sent back; capture pickles it first"
        if shape.marks:
            yield "mark", "says of an item how many values are sent back for it"
    elif shape.end == "fold" and stage.end is not None:
        yield "end", f"{stage.end.function.name} (step {stage.end.number}), whose value so far is value"
    elif stage.sink == "beside":
        yield "end", "hands one result to the zip that pulls it"
    elif shape.end != "yield":
        yield "end", "takes one result into the list"


def _items(stage: StreamStage, segment: Segment) -> str:
    """Where the items of a segment's loop come from."""
    if segment.operations:
        last = segment.operations[-1]
        return f"what {last.kind} gives (step {last.step.number})"
    if isinstance(stage.source, Step):
        return f"what {stage.source.function.name} yields (step {stage.source.number})"
    return "the mapped values" if segment.links else "the values of an earlier step"


def _keys(step: Step) -> str:
    return ", ".join(f"save {save.key.text}" for save in step.saves)
