"""The ir: frozen nodes that futures build and compile reads.

    Value nodes    TaskNode  JoinNode  ReduceNode  CompositeTaskNode
    Stream nodes   IterNode  MapTaskNode  FilterNode  TakeNode  OperationNode
    Either         SaveNode (its source's kind)  CompositeMapTaskNode (a stream until it has an ending)

Nodes carry no ids: identity is object identity, and structural equality is `ir.walk.same`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from daglite.functions import Function
from daglite.operations import OperationKind
from daglite.options import Save
from daglite.records import record

MapMode = Literal["zip", "product"]


class _ReprNode:
    """A repr by kind and task. It does not descend: a graph may be thousands of nodes deep."""

    __slots__ = ()

    def __repr__(self) -> str:
        call = getattr(self, "call", None)
        return f"{type(self).__name__}({call.function.name})" if isinstance(call, Call) else f"<{type(self).__name__}>"


@record
class Value:
    """A plain argument, held by reference."""

    value: object


@record
class Binding:
    """One parameter and what it is bound to. Extra positional arguments are named `*0`, `*1`, ..."""

    name: str
    argument: Argument


@record
class Call:
    """A function with what is bound to it; `fixed` came from `.partial()`, `bound` from the call itself."""

    function: Function
    fixed: tuple[Binding, ...]
    bound: tuple[Binding, ...]


@record(repr=False)
class TaskNode(_ReprNode):
    """One call of a task: a value (the list of all items when the task is a generator)."""

    call: Call
    saves: tuple[Save, ...] = ()


@record(repr=False)
class IterNode(_ReprNode):
    """A generator task as a source of items: of the first `limit`, where there is one."""

    call: Call
    saves: tuple[Save, ...] = ()
    limit: int | None = None


@record(repr=False)
class MapTaskNode(_ReprNode):
    """A task applied to each item of `sources` (several: zipped or as a product), or to the first `limit`; a stream.

    One that skips items at which it fails may end when `most` results have come, where there is such a number.
    """

    call: Call
    sources: tuple[Binding, ...]
    mode: MapMode
    saves: tuple[Save, ...] = ()
    limit: int | None = None
    most: int | None = None


@record(repr=False)
class FilterNode(_ReprNode):
    """The items of a stream for which a task, given each in its parameter `item`, gives something true; a stream.

    It ends when `most` of them have passed, where there is such a number.
    """

    call: Call
    source: Node
    item: str
    saves: tuple[Save, ...] = ()
    most: int | None = None


@record(repr=False)
class TakeNode(_ReprNode):
    """The first `count` items of a stream; the pass `push_takes` moves it to where they come from."""

    source: Node
    count: int
    saves: tuple[Save, ...] = ()


@record(repr=False)
class OperationNode(_ReprNode):
    """A new stream of the items of another, made in order and in the coordinator; see `daglite.operations`.

    `call` is that of its task, whose parameters `items` are filled with each item (for a scan: the accumulator and the
    item). Without a task it is that of the function which defines the operation, and there are no `items`. `numbers`
    are its whole numbers; `operand` is what it reads besides, such as the other stream of a zip. It ends when `most`
    items have come out, where there is such a number.
    """

    kind: OperationKind
    call: Call
    source: Node
    items: tuple[str, ...]
    numbers: tuple[tuple[str, int], ...] = ()
    operand: Argument | None = None
    saves: tuple[Save, ...] = ()
    most: int | None = None


@record
class CombineCall:
    """How a fold may be done in parts: `call` puts two accumulators together, in its parameters `items`.

    Parts that do not begin with the first item start from `empty`; None: the runtime looks for it. A `named` fold is
    one of daglite's own, and so cheap that items do not travel for it alone.
    """

    call: Call
    items: tuple[str, ...]
    empty: Argument | None
    named: bool = False


@record(repr=False)
class ReduceNode(_ReprNode):
    """A fold over a stream: `accumulator` and `item` are the parameters they fill; a value.

    With `finish` it is what that call makes of the last accumulator.
    """

    call: Call
    source: Node
    accumulator: str
    item: str
    initial: Argument
    ordered: bool
    saves: tuple[Save, ...] = ()
    combine: CombineCall | None = None
    finish: Call | None = None


@record(repr=False)
class JoinNode(_ReprNode):
    """A task called once with the list of all items of a stream in its parameter `item`; a value."""

    call: Call
    source: Node
    item: str
    saves: tuple[Save, ...] = ()


@record(repr=False)
class SaveNode(_ReprNode):
    """The same value or stream as its source, kept in a store; the pass `attach_saves` moves it to the source."""

    source: Node
    save: Save


@record
class Link:
    """One task applied to each item inside a composite; `items` are the parameters that the item fills.

    One that `filters` lets the item pass, or drops it; what one that `flattens` gives are the items of the next.
    """

    call: Call
    items: tuple[str, ...]
    saves: tuple[Save, ...]
    filters: bool = False
    flattens: bool = False


@record
class OperationLink:
    """An operation between the links of a composite; see `OperationNode`."""

    kind: OperationKind
    call: Call
    items: tuple[str, ...]
    numbers: tuple[tuple[str, int], ...]
    operand: Argument | None
    saves: tuple[Save, ...]


def items_of(part: Link | OperationLink | OperationNode) -> tuple[str, ...]:
    """Return the parameters of a part's call that items fill."""
    # The function that defines an operation is not called: its first parameter stands for the stream.
    return part.items or ("items",)


@record
class Mapped:
    """Mapped arguments as a source of items: one value each, or tuples when there are several; the first `limit`."""

    sources: tuple[Binding, ...]
    mode: MapMode
    limit: int | None = None


@record
class Collect:
    """The ending that keeps all items as a list."""


@record
class PulledEnding:
    """The ending that hands each item to the `zip` that reads it, as it asks for it."""


@record
class Join:
    """The ending that calls a task with the list of all items; see `JoinNode`."""

    call: Call
    item: str
    saves: tuple[Save, ...]


@record
class Fold:
    """The ending that folds the items; see `ReduceNode`."""

    call: Call
    accumulator: str
    item: str
    initial: Argument
    ordered: bool
    saves: tuple[Save, ...]
    combine: CombineCall | None = None
    finish: Call | None = None


Ending: TypeAlias = Collect | PulledEnding | Join | Fold


def fold_of(node: ReduceNode) -> Fold:
    """The ending that a fold becomes."""
    start = (node.call, node.accumulator, node.item, node.initial)
    return Fold(*start, node.ordered, node.saves, node.combine, node.finish)


@record(repr=False)
class CompositeMapTaskNode(_ReprNode):
    """A source, the tasks and operations on its items and (once absorbed) its ending, run as one bounded stream.

    It ends with `most` results, where there is such a number: then no more links can follow.
    """

    source: IterNode | Mapped
    links: Sequence[Link | OperationLink]
    sink: Ending | None
    most: int | None = None


@record(repr=False)
class CompositeTaskNode(_ReprNode):
    """A chain of single calls that travels as one; each takes the value of the one before in its parameter."""

    first: Call
    links: Sequence[Link]
    saves: tuple[Save, ...]


Node: TypeAlias = (
    TaskNode
    | IterNode
    | MapTaskNode
    | FilterNode
    | TakeNode
    | OperationNode
    | ReduceNode
    | JoinNode
    | SaveNode
    | CompositeMapTaskNode
    | CompositeTaskNode
)
Argument: TypeAlias = Value | Node
