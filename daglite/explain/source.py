"""The generated loops of a program as text: what runs between a source, the tasks and an ending."""

from __future__ import annotations

from collections.abc import Iterator

from daglite.loop import Shape, inline_shape, worker_shape, write_loop
from daglite.program import Program, Step, StreamStage, steps_of

__all__ = ["source_text"]

_WHOLE = "in the coordinator, from the source to the ending"
_INLINE = f'with runtime="inline", {_WHOLE}'
_SHARED = f"{_WHOLE}; items are shared (inline, threads)"
_CAPTURED = f"{_WHOLE}; items are captured (processes, auto)"
_WORKER = "in a worker, over the items of one batch"


def source_text(program: Program) -> str:
    """The loops of every stream stage, each as it is compiled, with comments that say what its names stand for."""
    streams = [stage for stage in program.stages if isinstance(stage, StreamStage)]
    blocks = [block for stage in streams for block in _blocks(stage)]
    return "\n\n".join(blocks) if blocks else "# no stream in this plan: single calls need no loop"


def _blocks(stage: StreamStage) -> Iterator[str]:
    """What runs inline and what runs in a worker; without tasks on items there is nothing for workers to do."""
    shape = inline_shape(stage)
    if stage.links or stage.folds_on_workers:
        yield _block(stage, shape, _INLINE)
        yield _block(stage, worker_shape(stage), _WORKER)
    elif isinstance(stage.source, Step):
        yield _block(stage, shape, _SHARED)
        yield _block(stage, shape._replace(snaps=True), _CAPTURED)
    else:
        yield _block(stage, shape, _WHOLE)


def _block(stage: StreamStage, shape: Shape, where: str) -> str:
    steps = steps_of(stage)
    first, last = steps[0].number, steps[-1].number
    numbers = f"step {first}" if first == last else f"steps {first} to {last}"
    legend = [f"#   {name:11}{meaning}" for name, meaning in _names(stage, shape, away=where == _WORKER)]
    return "\n".join([f"# {numbers}: {where}", *legend, write_loop(shape).source])


def _names(stage: StreamStage, shape: Shape, *, away: bool) -> Iterator[tuple[str, str]]:
    """The names in the loop that stand for something of the user's."""
    if isinstance(stage.source, Step):
        yield "items", f"what {stage.source.function.name} yields (step {stage.source.number})"
    else:
        yield "items", "the mapped values" if stage.links else "the values of an earlier step"
    if shape.saves_items and isinstance(stage.source, Step):
        yield "save_item", _keys(stage.source)
    if shape.snaps:
        yield "snap", "the item as it was when it was yielded"
    for position, link in enumerate(stage.links):
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
    elif stage.ending == "reduce" and stage.end is not None:
        yield "end", f"{stage.end.function.name} (step {stage.end.number}), whose value so far is value"
    else:
        yield "end", "takes one result into the list"


def _keys(step: Step) -> str:
    return ", ".join(f"save {save.key.text}" for save in step.saves)
