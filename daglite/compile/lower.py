"""lower: from the rewritten ir to flat, numbered steps."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import assert_never, cast

from daglite.compile.output_types import type_after, type_after_operation
from daglite.compile.streams import open_stream
from daglite.functions import signature_of
from daglite.ir.nodes import (
    Argument,
    Binding,
    Call,
    Collect,
    CompositeMapTaskNode,
    CompositeTaskNode,
    FilterNode,
    Fold,
    IterNode,
    Join,
    JoinNode,
    Link,
    MapMode,
    MapTaskNode,
    Node,
    OperationLink,
    OperationNode,
    PulledSink,
    ReduceNode,
    SaveNode,
    StreamSink,
    TakeNode,
    TaskNode,
    Value,
    fold_of,
)
from daglite.ir.text import node_text
from daglite.ir.walk import consumers, postorder
from daglite.options import Limits, Save
from daglite.program import (
    CallStage,
    CombineStep,
    Constant,
    Firing,
    MappedSource,
    MaterialiseStage,
    Operand,
    Place,
    Program,
    Segment,
    Stage,
    StageResult,
    Step,
    StreamOperation,
    StreamStage,
)
from daglite.records import replace

_Links = Iterable[Link | OperationLink]


def lower(root: Node, kind: str, limits: Limits, trace: tuple[Firing, ...], *, optimised: bool) -> Program:
    """Number the steps of a graph in data order; the last stage gives the result."""
    builder = _ProgramBuilder(limits)
    for node in postorder(root):
        builder.add(node)
    streams = kind in ("IterFuture", "MapTaskFuture")
    title = f"{kind}[{builder.types[root]}]"
    remarks = _remarks(root) if optimised else ()
    return Program(tuple(builder.stages), title, streams, optimised, limits, trace, remarks)


class _ProgramBuilder:
    """Makes the stages of a graph, node by node.

    `results` tells where the value of each node is, `types` its type as text: for a stream that of its items.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.stages: list[Stage] = []
        self.results: dict[Node, StageResult] = {}
        self.types: dict[Node, str] = {}
        self.steps = 0

    def add(self, node: Node) -> None:
        """Add the stages of a node whose children are there already."""
        self.types[node] = self._type_of(node)
        if isinstance(node, TakeNode):
            # The head of a list is no stage: it is read off the list.
            self.results[node] = self.results[node.source].first(node.count)
            return
        self.stages.append(self._stage(node))
        self.results[node] = StageResult(len(self.stages) - 1)

    def _type_of(self, node: Node) -> str:
        """Return the type of a node's value, or of its items when it is a stream."""
        match node:
            case IterNode():
                return node.call.function.result
            case FilterNode() | TakeNode() | ReduceNode(finish=Call()):
                return self.types[node.source]
            case OperationNode():
                return type_after_operation(node, self.types[node.source], self._operand_type)
            case TaskNode() | MapTaskNode() | ReduceNode() | JoinNode():
                return node.call.function.returns
            case CompositeTaskNode():
                return node.links[-1].call.function.returns
            case CompositeMapTaskNode(sink=Join() | Fold(finish=None) as sink):
                return sink.call.function.returns
            case CompositeMapTaskNode():
                return type_after(node.links, self._source_type(node), self._operand_type)
            case SaveNode():
                raise TypeError("a save was not attached to what it saves")
            case _:
                assert_never(node)

    def _source_type(self, node: CompositeMapTaskNode) -> str:
        """Return the type of the items of a composite's source, as far as it is known."""
        if isinstance(node.source, IterNode):
            return node.source.call.function.result
        first = node.source.sources[0].argument
        return "?" if len(node.source.sources) > 1 else self._operand_type(first)

    def _operand_type(self, argument: Argument) -> str:
        return "?" if isinstance(argument, Value) else self.types[argument]

    def _stage(self, node: Node) -> Stage:
        name = type(node).__name__
        match node:
            case TaskNode():
                step = self._step(name, node.call, (), node.saves)
                return MaterialiseStage(step, False) if node.call.function.streams else CallStage(_place(step), (step,))
            case IterNode():
                return MaterialiseStage(replace(self._step(name, node.call, (), node.saves), limit=node.limit), True)
            case MapTaskNode():
                link = self._step(name, node.call, node.items, node.saves)
                stage = self._stream(
                    self._mapped(node.sources, node.mode, node.limit), (Segment((), (link,)),), Collect()
                )
                return replace(stage, max_results=node.max_results)
            case FilterNode() | OperationNode():
                composite = open_stream(node)
                assert composite is not None
                return self._composite(name, composite)
            case ReduceNode():
                items = MappedSource((("items", self._operand(node.source)),), "zip")
                return self._stream(items, (Segment(),), fold_of(node), name, self.types[node])
            case JoinNode():
                bound = (*node.call.bound, Binding(node.items[0], node.source))
                step = self._step(name, replace(node.call, bound=bound), (), node.saves)
                return CallStage("workers" if step.function.wants_worker else "coordinator", (step,))
            case CompositeTaskNode():
                first = self._step(name, node.first, (), ())
                *links, last = self._links("", node.links, "?")
                return CallStage(_place(first), (first, *links, replace(last, saves=node.saves)))
            case CompositeMapTaskNode():
                return self._composite(name, node)
            case SaveNode() | TakeNode():
                raise TypeError(f"{name} is no stage")
            case _:
                assert_never(node)

    def _composite(self, name: str, node: CompositeMapTaskNode) -> StreamStage:
        source: Step | MappedSource
        if isinstance(node.source, IterNode):
            source = replace(self._step(name, node.source.call, (), node.source.saves), limit=node.source.limit)
            name = ""
        else:
            source = self._mapped(node.source.sources, node.source.mode, node.source.limit)
        before, links = self._source_type(node), list(node.links)
        for count in _pulled_before(links):
            # The stream before such a zip is pulled, as its other stream is.
            head, links = links[:count], links[count:]
            self.stages.append(self._stream(source, self._segments(name, head, before), PulledSink()))
            source = MappedSource((("items", StageResult(len(self.stages) - 1)),), "zip")
            before, name = type_after(head, before, self._operand_type), ""
        segments = self._segments(name, links, before)
        output = type_after(links, before, self._operand_type)
        return replace(self._stream(source, segments, node.sink or Collect(), "", output), max_results=node.max_results)

    def _stream(
        self,
        source: Step | MappedSource,
        segments: tuple[Segment, ...],
        sink: StreamSink,
        node: str = "",
        output: str = "?",
    ) -> StreamStage:
        """Return a stream; `node` is the ir node of a fold that folds a list, `output` the type of the results."""
        match sink:
            case Collect():
                return StreamStage(source, segments, "collect", None, None, True, self.limits)
            case PulledSink():
                return StreamStage(source, segments, "pulled", None, None, True, self.limits)
            case Join():
                end = self._step(node, sink.call, sink.items, sink.saves)
                return StreamStage(source, segments, "join", end, None, True, self.limits)
            case Fold():
                return self._fold(source, segments, sink, node, output)
            case _:
                assert_never(sink)

    def _fold(
        self, source: Step | MappedSource, segments: tuple[Segment, ...], fold: Fold, node: str, output: str
    ) -> StreamStage:
        initial, call = self._operand(fold.initial), fold.call
        if fold.finish is not None:
            # The value has the type of the items, whatever the accumulator is.
            call = replace(call, function=replace(call.function, result=output))
        end = self._step(node, call, fold.items, fold.saves)
        finish: Step | None = None
        if fold.finish is not None:
            accumulator = next(iter(signature_of(fold.finish.function).parameters))
            finish = Step(end.number, "", fold.finish.function, self._arguments(fold.finish), (accumulator,))
        combine: CombineStep | None = None
        if fold.combine is not None:
            call, empty = fold.combine.call, fold.combine.empty
            step = Step(end.number, "", call.function, self._arguments(call), fold.combine.items)
            place = _fold_place(segments[-1].links, listed=bool(node), named=fold.combine.named)
            combine = CombineStep(step, None if empty is None else self._operand(empty), place, fold.combine.named)
        stage = StreamStage(source, segments, "reduce", end, initial, fold.ordered, self.limits, combine)
        return replace(stage, finish=finish)

    def _segments(self, node: str, links: _Links, before: str) -> tuple[Segment, ...]:
        """Return each run of operations with the tasks after it; tasks that run in another place begin a new segment.

        `before` is the type of the items of the first link, whose line shows `node`.
        """
        found: list[Segment] = []
        for (operates, *_), run in itertools.groupby(links, _segment_key):
            if operates:
                operations: list[StreamOperation] = []
                for link in cast("Iterable[OperationLink]", run):
                    before = type_after_operation(link, before, self._operand_type)
                    operations.append(self._operation(node, link, before))
                    node = ""
                found.append(Segment(tuple(operations)))
                continue
            steps = self._links(node, cast("Iterable[Link]", run), before)
            before, node = steps[-1].output_type, ""
            if found and not found[-1].links:
                found[-1] = replace(found[-1], links=steps)
            else:
                found.append(Segment((), steps))
        following = [*found[1:], Segment()]
        return tuple(map(_spread, found, following)) or (Segment(),)

    def _operation(self, node: str, link: OperationLink, output: str) -> StreamOperation:
        step = self._step(node, link.call, link.items, link.saves)
        operand = None if link.operand is None else self._operand(link.operand)
        return StreamOperation(link.kind, step, output, link.numbers, operand)

    def _links(self, node: str, links: Iterable[Link], before: str) -> tuple[Step, ...]:
        """Return the steps of a chain; see `_segments` for `node` and `before`."""
        steps: list[Step] = []
        for link in links:
            passes = before if link.filters else None
            step = self._step("" if steps else node, link.call, link.items, link.saves, passes)
            step = replace(step, flattens=True, spreads=True) if link.flattens else step
            before = step.output_type
            steps.append(step)
        return tuple(steps)

    def _mapped(self, sources: tuple[Binding, ...], mode: MapMode, limit: int | None) -> MappedSource:
        pairs = tuple((binding.name, self._operand(binding.argument)) for binding in sources)
        return MappedSource(pairs, mode, limit)

    def _step(
        self, node: str, call: Call, items: tuple[str, ...], saves: tuple[Save, ...], passes: str | None = None
    ) -> Step:
        self.steps += 1
        return Step(self.steps - 1, node, call.function, self._arguments(call), items, saves, passes)

    def _arguments(self, call: Call) -> tuple[tuple[str, Operand], ...]:
        return tuple((b.name, self._operand(b.argument)) for b in (*call.fixed, *call.bound))

    def _operand(self, argument: Argument) -> Operand:
        return Constant(argument.value) if isinstance(argument, Value) else self.results[argument]


def _fold_place(links: tuple[Step, ...], *, listed: bool, named: bool) -> Place:
    """Return where a fold with a `combine` runs.

    In the coordinator: when it folds a list, which is there already; after a step that drops items, because workers
    then report item by item, and a partial result has no items; after a task that does not run on workers; and when a
    fold such as `.sum` has no task before it, which is too cheap to send items for.
    """
    here = any(link.drops or link.function.here or link.function.loops for link in links)
    return "coordinator" if listed or here or (named and not links) else "workers"


def _spread(segment: Segment, following: Segment) -> Segment:
    """Return the segment with a last task whose result may arrive in chunks, if that is unbatched next.

    Not where a result must be complete before it goes on: to be saved, to be tried again, within a time limit, or
    because of `on_error`.
    """
    last = segment.links[-1] if segment.links else None
    if last is None or not following.operations or following.operations[0].kind != "unbatch" or last.filters:
        return segment
    whole = last.function.streams and (last.function.retries or last.function.timeout is not None)
    whole = whole or last.function.on_error != "raise"
    if whole or any(link.saves for link in segment.links):
        return segment
    return replace(segment, links=(*segment.links[:-1], replace(last, spreads=True)))


def _pulled_before(links: list[Link | OperationLink]) -> Iterator[int]:
    """Yield, for each zip that pulls and comes after a task, the number of links before it since the last such zip.

    Pulling may wait, and the loop that receives results from workers must not: so this zip begins a stream of its own.
    """
    start, after_task = 0, False
    for place, link in enumerate(links):
        if isinstance(link, Link):
            after_task = after_task or not link.call.function.here
        elif isinstance(link.operand, CompositeMapTaskNode) and isinstance(link.operand.sink, PulledSink):
            if after_task:
                yield place - start
                start = place
            after_task = False


def _segment_key(link: Link | OperationLink) -> tuple[object, ...]:
    """Return what neighbouring links have in common in one segment: both are operations, or tasks in one place."""
    if isinstance(link, OperationLink):
        return (True,)
    return False, link.call.function.site, link.call.function.loops


def _place(step: Step) -> Place:
    return "coordinator" if step.function.here else "workers"


def _remarks(root: Node) -> tuple[str, ...]:
    """Say what was not fused and why: streams that are kept as a list, and neighbours that run in different places."""
    found = []
    for node, count in consumers(root).items():
        if not isinstance(node, CompositeMapTaskNode):
            continue
        if isinstance(node.sink, Collect) and count:
            reason = f"shared by {count}" if count > 1 else "needed as a list"
            found.append(f"{node_text(node)}: {reason}, materialised")
        for left, right in itertools.pairwise(node.links):
            if isinstance(left, Link) and isinstance(right, Link) and _segment_key(left) != _segment_key(right):
                names = f"{left.call.function.name} and {right.call.function.name}"
                found.append(f"{names}: they run in different places")
    return tuple(found)
