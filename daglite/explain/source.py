"""The generated loops of a program as text: the code that runs between source and sink."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from daglite.codegen import LoopShape, inline_shape, worker_shape, write_loop
from daglite.program import Program, Segment, Step, StreamStage
from daglite.records import replace

_WHOLE = "in the coordinator, from source to sink"
_REST = "in the coordinator, up to the sink"
_SHARED = f"{_WHOLE}; items are shared (inline, threads)"
_CAPTURED = f"{_WHOLE}; items are copied (processes, auto)"
_NEXT = "in the coordinator, for the operations that come next"
_WORKER = "in a worker, over the items of one batch"
_INLINE = 'with runtime="inline", '
_LOCAL = "otherwise in the coordinator, called with one item after the other, without a loop of their own"
_COROUTINES = "otherwise coroutines of one event loop on a thread, each with one item after the other"


def source_text(program: Program) -> str:
    """Return the loops of every stream, each as it is compiled, with comments that explain its names."""
    streams = [stage for stage in program.stages if isinstance(stage, StreamStage)]
    blocks = [block for stage in streams for block in _blocks(stage)]
    return "\n\n".join(blocks) if blocks else "# no stream in this plan: single calls need no loop"


def _blocks(stage: StreamStage) -> Iterator[str]:
    """Yield for each segment its loop in one process, then its loops with workers, if workers run a part of it."""
    groups = list(_groups(stage.segments))
    # In one process, neighbours that differ only in their placement are one loop.
    whole = replace(stage, segments=tuple([_joined(group) for group in groups]))
    with_workers = stage.folds_on_workers or any(not link.function.here for link in stage.links)
    for group, segment in zip(groups, whole.segments, strict=True):
        remote = [block for part in group for block in _remote_blocks(stage, part)] if with_workers else []
        yield from _local_blocks(whole, segment, inline=_INLINE if remote else "", with_workers=with_workers)
        yield from remote


def _local_blocks(stage: StreamStage, segment: Segment, *, inline: str, with_workers: bool) -> Iterator[str]:
    """Yield the loop of a segment in one process; `inline` is the condition under which it runs there."""
    shape = inline_shape(stage, segment)
    if segment is not stage.last:
        yield _block(stage, segment, shape, inline + _NEXT)
        return
    where = _WHOLE if len(stage.segments) == 1 else _REST
    if not with_workers and isinstance(stage.source, Step) and not segment.operations:
        yield _block(stage, segment, shape, _SHARED)
        yield _block(stage, segment, shape._replace(snaps=True), _CAPTURED)
    else:
        yield _block(stage, segment, shape, inline + where)


def _remote_blocks(stage: StreamStage, segment: Segment) -> Iterator[str]:
    """Yield the loop of a segment on workers, or a comment where it has none."""
    ends = segment is stage.last and stage.folds_on_workers
    if not segment.links and not ends:
        return
    if segment.links and (segment.loops or segment.links[0].function.here):
        yield f"# {_numbers(segment.links)}: {_COROUTINES if segment.loops else _LOCAL}"
    else:
        yield _block(stage, segment, worker_shape(stage, segment), _WORKER)


def _groups(segments: Sequence[Segment]) -> Iterator[list[Segment]]:
    """Yield the segments in groups that differ only in their placement."""
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
    legend = [f"#   {name:11}{meaning}" for name, meaning in _names(stage, segment, shape, remote=where == _WORKER)]
    return "\n".join([f"# {numbers}: {where}", *legend, write_loop(shape).source])


def _numbers(steps: Sequence[Step]) -> str:
    first, last = steps[0].number, steps[-1].number
    return f"step {first}" if first == last else f"steps {first} to {last}"


def _steps(stage: StreamStage, segment: Segment) -> list[Step]:
    """Return the steps of a segment, with the source and the sink."""
    steps = [operation.step for operation in segment.operations]
    if segment is stage.segments[0] and isinstance(stage.source, Step):
        steps.insert(0, stage.source)
    steps.extend(segment.links)
    if segment is stage.last and stage.sink_step is not None:
        steps.append(stage.sink_step)
    return steps


def _names(stage: StreamStage, segment: Segment, shape: LoopShape, *, remote: bool) -> Iterator[tuple[str, str]]:
    """Yield the names in a loop that refer to the user's code or data, each with its meaning."""
    yield "items", _items(stage, segment)
    if shape.saves_items and isinstance(stage.source, Step):
        yield "save_item", _keys(stage.source)
    if shape.snaps:
        yield "snap", "copies the item as it was when it was yielded"
    for position, link in enumerate(segment.links):
        does = ", which lets an item pass or drops it" if link.filters else ""
        if position in shape.skips:
            does = ", which gives SKIPPED for an item at which it fails"
        yield f"call_{position}", f"{link.function.name} (step {link.number}){does}"
        if shape.saves[position]:
            kept = _keys(link) if not remote else f"keeps the value for {_keys(link)}"
            yield f"save_{position}", kept
    if shape.ends:
        yield "full", f"tells when {stage.max_results} results have come"
    if shape.end == "cells":
        yield "append", "keeps a result to be sent back; processes pickle it first"
        if shape.marks:
            yield "mark", "records how many values are sent back for an item"
    elif shape.end == "fold" and stage.sink_step is not None:
        yield "end", f"{stage.sink_step.function.name} (step {stage.sink_step.number}), whose value so far is value"
    elif stage.sink == "pulled":
        yield "end", "hands one result to the zip that pulls it"
    elif shape.end != "yield":
        yield "end", "takes one result into the list"


def _items(stage: StreamStage, segment: Segment) -> str:
    """Return where the items of a segment's loop come from."""
    if segment.operations:
        last = segment.operations[-1]
        return f"what {last.kind} gives (step {last.step.number})"
    if isinstance(stage.source, Step):
        return f"what {stage.source.function.name} yields (step {stage.source.number})"
    return "the mapped values" if segment.links else "the values of an earlier step"


def _keys(step: Step) -> str:
    return ", ".join(f"save {save.key.text}" for save in step.saves)
