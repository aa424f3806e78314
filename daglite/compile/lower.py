"""lower: from the rewritten ir to flat, numbered steps."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import assert_never, cast

from daglite.compile.output_types import after, after_operation
from daglite.functions import signature_of
from daglite.ir.builders import operation_links
from daglite.ir.nodes import (
    Argument,
    Binding,
    Call,
    Collect,
    CompositeMapTaskNode,
    CompositeTaskNode,
    Ending,
    FilterNode,
    Fold,
    IterNode,
    Join,
    JoinNode,
    Link,
    MapMode,
    Mapped,
    MapTaskNode,
    Node,
    OperationLink,
    OperationNode,
    PulledEnding,
    ReduceNode,
    SaveNode,
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
    SinkKind,
    Stage,
    StageResult,
    Step,
    StreamOperation,
    StreamStage,
)
from daglite.records import replace


def lower(root: Node, kind: str, limits: Limits, trace: tuple[Firing, ...], *, optimised: bool) -> Program:
    """Number the steps of a graph in data order; the last stage gives the result."""
    numbers = _Lowering(limits)
    order = postorder(root)
    for node in order:
        numbers.types[node] = numbers.type_of(node)
        if isinstance(node, TakeNode):
            # The head of a list is not made, but read off it.
            numbers.places[node] = numbers.places[node.source].first(node.count)
            continue
        numbers.stages.append(numbers.stage(node))
        numbers.places[node] = StageResult(len(numbers.stages) - 1)
    streams = kind in ("IterFuture", "MapTaskFuture")
    title = f"{kind}[{numbers.types[root]}]"
    remarks = _remarks(root) if optimised else ()
    return Program(tuple(numbers.stages), title, streams, optimised, limits, trace, remarks)


class _Lowering:
    """What lowering knows so far: the stages made, where each node's value is, and the text of its type: for a stream
    that of its items.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.stages: list[Stage] = []
        self.places: dict[Node, StageResult] = {}
        self.types: dict[Node, str] = {}
        self.steps = 0

    def type_of(self, node: Node) -> str:
        """The text of the type of a node's value, or of its items when it is a stream; those below it are known."""
        match node:
            case IterNode():
                return node.call.function.result
            case FilterNode() | TakeNode():
                return self.types[node.source]
            case OperationNode():
                return after_operation(node, self.types[node.source], self._items)
            case ReduceNode(finish=Call()):
                return self.types[node.source]
            case TaskNode() | MapTaskNode() | ReduceNode() | JoinNode():
                return node.call.function.returns
            case CompositeTaskNode():
                return node.links[-1].call.function.returns
            case CompositeMapTaskNode(sink=Fold(finish=Call())):
                return after(node.links, self._type_before(node), self._items)
            case CompositeMapTaskNode(sink=Join() | Fold() as sink):
                return sink.call.function.returns
            case CompositeMapTaskNode():
                return after(node.links, self._type_before(node), self._items)
            case SaveNode():
                return "?"
            case _:
                assert_never(node)

    def _type_before(self, node: CompositeMapTaskNode) -> str:
        """The type of the items of a composite's source, as far as it is known."""
        if isinstance(node.source, IterNode):
            return node.source.call.function.result
        first = node.source.sources[0].argument
        return "?" if len(node.source.sources) > 1 or isinstance(first, Value) else self.types[first]

    def _items(self, other: Argument) -> str:
        """The type of the items of a stream beside."""
        return "?" if isinstance(other, Value) else self.types[other]

    def stage(self, node: Node) -> Stage:
        name = type(node).__name__
        match node:
            case TaskNode():
                step = self._step(name, node.call, (), node.saves)
                return MaterialiseStage(step, False) if node.call.function.streams else CallStage(_place(step), (step,))
            case IterNode():
                return MaterialiseStage(replace(self._step(name, node.call, (), node.saves), limit=node.limit), True)
            case MapTaskNode():
                link = self._step(name, node.call, tuple(binding.name for binding in node.sources), node.saves)
                segments = (Segment((), (link,)),)
                stage = self._stream(self._mapped(node.sources, node.mode, node.limit), segments, None, Collect())
                return stage if node.most is None else replace(stage, max_results=node.most)
            case FilterNode():
                one = (Link(node.call, (node.item,), node.saves, filters=True),)
                source = Mapped((Binding(node.item, node.source),), "zip")
                return self._composite(name, CompositeMapTaskNode(source, one, None, node.most))
            case OperationNode():
                source = Mapped((Binding("items", node.source),), "zip")
                return self._composite(name, CompositeMapTaskNode(source, operation_links(node), None))
            case ReduceNode():
                items = MappedSource((("items", self._operand(node.source)),), "zip")
                return self._stream(items, (Segment(),), name, fold_of(node), self.types[node])
            case JoinNode():
                call = Call(node.call.function, node.call.fixed, (*node.call.bound, Binding(node.item, node.source)))
                place: Place = "workers" if call.function.wants_worker else "coordinator"
                return CallStage(place, (self._step(name, call, (), node.saves),))
            case CompositeTaskNode():
                first = self._step(name, node.first, (), ())
                links = self._links("", node.links, "?")
                last = replace(links[-1], saves=node.saves)
                return CallStage(_place(first), (first, *links[:-1], last))
            case CompositeMapTaskNode():
                return self._composite(name, node)
            case SaveNode():
                raise TypeError("a save was not attached to what it saves")
            case TakeNode():
                raise TypeError("a take is no stage: it is read off a list")
            case _:
                assert_never(node)

    def _composite(self, name: str, node: CompositeMapTaskNode) -> StreamStage:
        source: Step | MappedSource
        if isinstance(node.source, IterNode):
            source = replace(self._step(name, node.source.call, (), node.source.saves), limit=node.source.limit)
            name = ""
        else:
            source = self._mapped(node.source.sources, node.source.mode, node.source.limit)
        before, parts = self._type_before(node), list(node.links)
        for count in _pulled_before(parts):
            # What stands in front of the zip is a stream that is pulled, as the other one is.
            head, parts = parts[:count], parts[count:]
            stage = self._stream(source, self._segments(name, head, before), "", PulledEnding())
            self.stages.append(stage)
            source = MappedSource((("items", StageResult(len(self.stages) - 1)),), "zip")
            before, name = after(head, before, self._items), ""
        segments = self._segments(name, parts, before)
        gives = after(parts, before, self._items)
        return replace(self._stream(source, segments, "", node.sink or Collect(), gives), max_results=node.most)

    def _stream(
        self,
        source: Step | MappedSource,
        segments: tuple[Segment, ...],
        node: str | None,
        sink: Ending,
        gives: str = "?",
    ) -> StreamStage:
        kind: SinkKind
        end: Step | None = None
        initial: Operand | None = None
        ordered = True
        combine: CombineStep | None = None
        finish: Step | None = None
        match sink:
            case Collect():
                kind = "collect"
            case PulledEnding():
                kind = "pulled"
            case Join():
                kind, end = "join", self._step(node or "", sink.call, (sink.item,), sink.saves)
            case Fold():
                kind, ordered, initial = "reduce", sink.ordered, self._operand(sink.initial)
                call = sink.call
                if sink.finish is not None:
                    # The value is of the type of the items, whatever the accumulator is.
                    call = replace(call, function=replace(call.function, result=gives))
                end = self._step(node or "", call, (sink.accumulator, sink.item), sink.saves)
                finish = self._finish(sink, end.number)
                # A list lies in the coordinator already: there it is folded, too. So is what a filter lets pass:
                # answers then tell item by item what came of it, and a part has no items.
                links = segments[-1].links
                here = (
                    bool(node)
                    or any(link.drops for link in links)
                    or any(link.function.here or link.function.loops for link in links)
                )
                here = here or (not links and sink.combine is not None and sink.combine.named)
                combine = self._combine(sink, end.number, "coordinator" if here else "workers")
            case _:
                assert_never(sink)
        stage = StreamStage(source, segments, kind, end, initial, ordered, self.limits, combine)
        return stage if finish is None else replace(stage, finish=finish)

    def _finish(self, fold: Fold, number: int) -> Step | None:
        if fold.finish is None:
            return None
        accumulator = next(iter(signature_of(fold.finish.function).parameters))
        return Step(number, "", fold.finish.function, self._arguments(fold.finish), (accumulator,))

    def _combine(self, fold: Fold, number: int, place: Place) -> CombineStep | None:
        if fold.combine is None:
            return None
        call, items, empty = fold.combine.call, fold.combine.items, fold.combine.empty
        step = Step(number, "", call.function, self._arguments(call), items)
        return CombineStep(step, None if empty is None else self._operand(empty), place, fold.combine.named)

    def _segments(self, node: str, parts: Iterable[Link | OperationLink], before: str) -> tuple[Segment, ...]:
        """Each run of operations with the links behind it, and links that ask for another place than those before.

        `before` is the type of what reaches the first of all, which stands on the line of `node`.
        """
        found: list[Segment] = []
        for (operates, *_), run in itertools.groupby(parts, _kind):
            if operates:
                operations: list[StreamOperation] = []
                for one in cast("Iterable[OperationLink]", run):
                    before = after_operation(one, before, self._items)
                    operations.append(self._operation(node, one, before))
                    node = ""
                found.append(Segment(tuple(operations)))
                continue
            links = self._links(node, cast("Iterable[Link]", run), before)
            before, node = links[-1].output_type, ""
            if found and not found[-1].links:
                found[-1] = replace(found[-1], links=links)
            else:
                found.append(Segment((), links))
        after = [*found[1:], Segment()]
        return tuple([_spread(one, following) for one, following in zip(found, after, strict=False)]) or (Segment(),)

    def _operation(self, node: str, one: OperationLink, gives: str) -> StreamOperation:
        step = self._step(node, one.call, one.items, one.saves)
        operand = None if one.operand is None else self._operand(one.operand)
        return StreamOperation(one.kind, step, gives, one.numbers, operand)

    def _links(self, node: str, links: Iterable[Link], before: str) -> tuple[Step, ...]:
        """The steps of a chain; `before` is the type of what reaches the first, which stands on the line of `node`."""
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
        return Constant(argument.value) if isinstance(argument, Value) else self.places[argument]


def _spread(segment: Segment, following: Segment) -> Segment:
    """The segment, whose last task may give what it gives in pieces if that is taken apart next.

    Not where a result must be there as a whole before it goes on: to be saved, to be tried again, in a time limit, or
    because something else may come in its place.
    """
    last = segment.links[-1] if segment.links else None
    if last is None or not following.operations or following.operations[0].kind != "unbatch" or last.filters:
        return segment
    whole = last.function.streams and (last.function.retries or last.function.timeout is not None)
    whole = whole or last.function.on_error != "raise"
    if whole or any(link.saves for link in segment.links):
        return segment
    return replace(segment, links=(*segment.links[:-1], replace(last, spreads=True)))


def _pulled_before(parts: list[Link | OperationLink]) -> Iterator[int]:
    """How many parts come before each zip that pulls and stands behind tasks, counted from the one before.

    Whoever pulls may wait, and behind workers nobody may: so the zip begins a stream of its own.
    """
    start, behind = 0, False
    for at, part in enumerate(parts):
        if isinstance(part, Link):
            behind = behind or not part.call.function.here
        elif isinstance(part.operand, CompositeMapTaskNode) and isinstance(part.operand.sink, PulledEnding):
            if behind:
                yield at - start
                start = at
            behind = False


def _kind(part: Link | OperationLink) -> tuple[object, ...]:
    """What parts of a stream must have in common to stand in one segment without anything between them."""
    if isinstance(part, OperationLink):
        return (True,)
    return False, part.call.function.site, part.call.function.loops


def _parted(parts: Iterable[Link | OperationLink]) -> Iterator[tuple[str, str]]:
    """Neighbours that stand in different segments only because of where they run."""
    for left, right in itertools.pairwise(parts):
        if isinstance(left, Link) and isinstance(right, Link) and _kind(left) != _kind(right):
            yield left.call.function.name, right.call.function.name


def _place(step: Step) -> Place:
    return "coordinator" if step.function.here else "workers"


def _remarks(root: Node) -> tuple[str, ...]:
    """What was not fused and why: streams that are kept as a list in the coordinator, and tasks in different places."""
    readers = consumers(root)
    found = []
    for node, count in readers.items():
        if isinstance(node, CompositeMapTaskNode) and isinstance(node.sink, Collect) and count:
            reason = f"shared by {count}" if count > 1 else "needed as a list"
            found.append(f"{node_text(node)}: {reason}, materialised")
        if isinstance(node, CompositeMapTaskNode):
            found.extend(f"{left} and {right}: they run in different places" for left, right in _parted(node.links))
    return tuple(found)
