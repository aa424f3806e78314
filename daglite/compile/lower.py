"""lower: from the rewritten ir to flat, numbered steps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

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
    ReduceNode,
    SaveNode,
    TakeNode,
    TaskNode,
    Value,
)
from daglite.ir.text import node_text
from daglite.ir.walk import consumers, postorder
from daglite.options import Limits, Save
from daglite.program import (
    CallStage,
    Combine,
    Constant,
    EndKind,
    Firing,
    MappedSource,
    MaterialiseStage,
    Operand,
    Place,
    Program,
    Result,
    Stage,
    Step,
    StreamStage,
)
from daglite.records import replace

__all__ = ["lower"]


def lower(root: Node, kind: str, limits: Limits, trace: tuple[Firing, ...], *, optimised: bool) -> Program:
    """Number the steps of a graph in data order; the last stage gives the result."""
    numbers = _Numbering(limits)
    order = postorder(root)
    for node in order:
        numbers.types[node] = numbers.type_of(node)
        if isinstance(node, TakeNode):
            # The head of a list is not made, but read off it.
            numbers.places[node] = numbers.places[node.source].first(node.count)
            continue
        numbers.stages.append(numbers.stage(node))
        numbers.places[node] = Result(len(numbers.stages) - 1)
    streams = kind in ("IterFuture", "MapTaskFuture")
    title = f"{kind}[{numbers.types[root]}]"
    remarks = _remarks(root) if optimised else ()
    return Program(tuple(numbers.stages), title, streams, optimised, limits, trace, remarks)


class _Numbering:
    """What lowering knows so far: the stages made, where each node's value is, and the text of its type: for a stream
    that of its items.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.stages: list[Stage] = []
        self.places: dict[Node, Result] = {}
        self.types: dict[Node, str] = {}
        self.steps = 0

    def type_of(self, node: Node) -> str:
        """The text of the type of a node's value, or of its items when it is a stream; those below it are known."""
        match node:
            case IterNode():
                return node.call.function.result
            case FilterNode() | TakeNode():
                return self.types[node.source]
            case TaskNode() | MapTaskNode() | ReduceNode() | JoinNode():
                return node.call.function.returns
            case CompositeTaskNode():
                return node.links[-1].call.function.returns
            case CompositeMapTaskNode(ending=Join() | Fold() as ending):
                return ending.call.function.returns
            case CompositeMapTaskNode():
                last = next((link for link in reversed(node.links) if not link.filters), None)
                return self._type_before(node) if last is None else last.call.function.returns
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

    def stage(self, node: Node) -> Stage:
        name = type(node).__name__
        match node:
            case TaskNode():
                step = self._step(name, node.call, (), node.saves)
                return MaterialiseStage(step, False) if node.call.function.streams else CallStage("workers", (step,))
            case IterNode():
                return MaterialiseStage(replace(self._step(name, node.call, (), node.saves), limit=node.limit), True)
            case MapTaskNode():
                link = self._step(name, node.call, tuple(binding.name for binding in node.sources), node.saves)
                stage = self._stream(self._mapped(node.sources, node.mode, node.limit), (link,), None, Collect())
                return stage if node.most is None else replace(stage, most=node.most)
            case FilterNode():
                one = (Link(node.call, (node.item,), node.saves, filters=True),)
                source = Mapped((Binding(node.item, node.source),), "zip")
                return self._composite(name, CompositeMapTaskNode(source, one, None, node.most))
            case ReduceNode():
                items = MappedSource((("items", self._operand(node.source)),), "zip")
                fold = Fold(
                    node.call, node.accumulator, node.item, node.initial, node.ordered, node.saves, node.combine
                )
                return self._stream(items, (), name, fold)
            case JoinNode():
                call = Call(node.call.function, node.call.fixed, (*node.call.bound, Binding(node.item, node.source)))
                place: Place = "workers" if call.function.needs_worker else "coordinator"
                return CallStage(place, (self._step(name, call, (), node.saves),))
            case CompositeTaskNode():
                first = self._step(name, node.first, (), ())
                links = self._links("", node.links, "?")
                last = replace(links[-1], saves=node.saves)
                return CallStage("workers", (first, *links[:-1], last))
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
        links = self._links(name, node.links, self._type_before(node))
        return replace(self._stream(source, links, "", node.ending or Collect()), most=node.most)

    def _stream(
        self, source: Step | MappedSource, links: tuple[Step, ...], node: str | None, ending: Ending
    ) -> StreamStage:
        kind: EndKind
        end: Step | None = None
        initial: Operand | None = None
        ordered = True
        combine: Combine | None = None
        match ending:
            case Collect():
                kind = "collect"
            case Join():
                kind, end = "join", self._step(node or "", ending.call, (ending.item,), ending.saves)
            case Fold():
                kind, ordered, initial = "reduce", ending.ordered, self._operand(ending.initial)
                end = self._step(node or "", ending.call, (ending.accumulator, ending.item), ending.saves)
                # A list lies in the coordinator already: there it is folded, too. So is what a filter lets pass:
                # answers then tell item by item what came of it, and a part has no items.
                here = bool(node) or any(link.drops for link in links)
                combine = self._combine(ending, end.number, "coordinator" if here else "workers")
            case _:
                assert_never(ending)
        return StreamStage(source, links, kind, end, initial, ordered, self.limits, combine)

    def _combine(self, fold: Fold, number: int, place: Place) -> Combine | None:
        if fold.combine is None:
            return None
        call, items, empty = fold.combine.call, fold.combine.items, fold.combine.empty
        step = Step(number, "", call.function, self._arguments(call), items)
        return Combine(step, None if empty is None else self._operand(empty), place)

    def _links(self, node: str, links: Iterable[Link], before: str) -> tuple[Step, ...]:
        """The steps of a chain; `before` is the type of what reaches the first, which stands on the line of `node`."""
        steps: list[Step] = []
        for link in links:
            passes = before if link.filters else None
            step = self._step("" if steps else node, link.call, link.items, link.saves, passes)
            before = step.gives
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


def _remarks(root: Node) -> tuple[str, ...]:
    """What was not fused and why: streams that are kept as a list in the coordinator."""
    readers = consumers(root)
    found = []
    for node, count in readers.items():
        if isinstance(node, CompositeMapTaskNode) and isinstance(node.ending, Collect) and count:
            reason = f"shared by {count}" if count > 1 else "needed as a list"
            found.append(f"{node_text(node)}: {reason}, materialised")
    return tuple(found)
