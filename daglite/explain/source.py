"""The generated loops of a program as text: what runs between a source, the tasks and an ending."""

from __future__ import annotations

from collections.abc import Iterator

from daglite.loop import Shape, between_shape, flowing_shape, inline_shape, worker_shape, write_loop
from daglite.program import Program, Segment, Step, StreamStage

__all__ = ["source_text"]

_WHOLE = "in the coordinator, from the source to the ending"
_REST = "in the coordinator, up to the ending"
_SHARED = f"{_WHOLE}; items are shared (inline, threads)"
_CAPTURED = f"{_WHOLE}; items are captured (processes, auto)"
_FLOWING = 'with runtime="inline", in the coordinator, for the operations that come next'
_WORKER = "in a worker, over the items of one batch"


def source_text(program: Program) -> str:
    """The loops of every stream stage, each as it is compiled, with comments that say what its names stand for."""
    streams = [stage for stage in program.stages if isinstance(stage, StreamStage)]
    blocks = [block for stage in streams for block in _blocks(stage)]
    return "\n\n".join(blocks) if blocks else "# no stream in this plan: single calls need no loop"


def _blocks(stage: StreamStage) -> Iterator[str]:
    """What runs inline and what runs in a worker; without tasks on items there is nothing for workers to do."""
    for segment in stage.segments[:-1]:
        yield _block(stage, segment, flowing_shape(stage, segment), _FLOWING)
        yield _block(stage, segment, between_shape(segment.links), _WORKER)
    segment, shape = stage.last, inline_shape(stage)
    whole = _WHOLE if len(stage.segments) == 1 else _REST
    if segment.links or stage.folds_on_workers:
        yield _block(stage, segment, shape, f'with runtime="inline", {whole}')
        yield _block(stage, segment, worker_shape(stage), _WORKER)
    elif isinstance(stage.source, Step) and not segment.operations:
        yield _block(stage, segment, shape, _SHARED)
        yield _block(stage, segment, shape._replace(snaps=True), _CAPTURED)
    else:
        yield _block(stage, segment, shape, whole)


def _block(stage: StreamStage, segment: Segment, shape: Shape, where: str) -> str:
    first, last = _ends(stage, segment)
    numbers = f"step {first}" if first == last else f"steps {first} to {last}"
    legend = [f"#   {name:11}{meaning}" for name, meaning in _names(stage, segment, shape, away=where == _WORKER)]
    return "\n".join([f"# {numbers}: {where}", *legend, write_loop(shape).source])


def _ends(stage: StreamStage, segment: Segment) -> tuple[int, int]:
    """The numbers of the first and the last step of a segment, the source and the ending included."""
    steps = [operation.step for operation in segment.operations]
    if segment is stage.segments[0] and isinstance(stage.source, Step):
        steps.insert(0, stage.source)
    steps.extend(segment.links)
    if segment is stage.last and stage.end is not None:
        steps.append(stage.end)
    return steps[0].number, steps[-1].number


def _names(stage: StreamStage, segment: Segment, shape: Shape, *, away: bool) -> Iterator[tuple[str, str]]:
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
    elif stage.ending == "beside":
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
