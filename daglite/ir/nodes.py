"""Nodes of the ir: frozen records that futures build and the compiler rewrites.

    Value nodes    TaskNode  JoinNode  ReduceNode  CompositeTaskNode
    Stream nodes   IterNode  MapTaskNode  FilterNode  TakeNode  OperationNode
    Either         SaveNode (the kind of its source)  CompositeMapTaskNode (a stream until it has a sink)

Nodes have no ids: identity is object identity, and structural equality is `ir.walk.same`.
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
    """A base that shows kind and task. Its repr does not descend: a graph may be thousands of nodes deep."""

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
    """A parameter and its argument. Extra positional arguments are named `*0`, `*1`, ..."""

    name: str
    argument: Argument


@record
class Call:
    """A function with its arguments; `fixed` come from `.partial()`, `bound` from the call itself."""

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
    """A generator task as a source of items, of at most `limit` items (None: all)."""

    call: Call
    saves: tuple[Save, ...] = ()
    limit: int | None = None


@record(repr=False)
class MapTaskNode(_ReprNode):
    """A task applied to each item of `sources` (several: zipped or as a product), or to the first `limit`; a stream.

    A task that skips items at which it fails may end the stream after `max_results` results (None: it does not).
    """

    call: Call
    sources: tuple[Binding, ...]
    mode: MapMode
    saves: tuple[Save, ...] = ()
    limit: int | None = None
    max_results: int | None = None

    @property
    def items(self) -> tuple[str, ...]:
        """The parameters that items fill."""
        return tuple([binding.name for binding in self.sources])


@record(repr=False)
class FilterNode(_ReprNode):
    """The items of a stream for which a task returns something true; a stream.

    It ends after `max_results` items have passed (None: it does not).
    """

    call: Call
    source: Node
    items: tuple[str, ...]
    saves: tuple[Save, ...] = ()
    max_results: int | None = None


@record(repr=False)
class TakeNode(_ReprNode):
    """The first `count` items of a stream; the pass `push_limits` moves it towards the source."""

    source: Node
    count: int
    saves: tuple[Save, ...] = ()


@record(repr=False)
class OperationNode(_ReprNode):
    """A new stream made of the items of another, in order and in the coordinator; see `daglite.operations`.

    `call` is that of its task, whose parameters `items` are filled with each item (for a scan: the accumulator and the
    item). Without a task it is that of the function which defines the operation, and there are no `items`. `numbers`
    are its whole numbers; `operand` is what it reads besides, such as the other stream of a zip. It ends after
    `max_results` outputs (None: it does not).
    """

    kind: OperationKind
    call: Call
    source: Node
    items: tuple[str, ...]
    numbers: tuple[tuple[str, int], ...] = ()
    operand: Argument | None = None
    saves: tuple[Save, ...] = ()
    max_results: int | None = None


@record
class CombineCall:
    """How partial results of a fold are put together: `call` takes two accumulators in its parameters `items`.

    Partial results that do not begin with the first item start from `empty`; None: the runtime looks for a neutral
    element. A `named` fold is one of daglite's own, such as `.sum`: items are not sent to workers for it alone.
    """

    call: Call
    items: tuple[str, ...]
    empty: Argument | None
    named: bool = False


@record(repr=False)
class ReduceNode(_ReprNode):
    """A fold over a stream; a value. `items` are the parameters of the accumulator and of the item.

    With `finish`, that call makes the value of the last accumulator.
    """

    call: Call
    source: Node
    items: tuple[str, ...]
    initial: Argument
    ordered: bool
    saves: tuple[Save, ...] = ()
    combine: CombineCall | None = None
    finish: Call | None = None


@record(repr=False)
class JoinNode(_ReprNode):
    """One call of a task with the list of all items of a stream; a value."""

    call: Call
    source: Node
    items: tuple[str, ...]
    saves: tuple[Save, ...] = ()


@record(repr=False)
class SaveNode(_ReprNode):
    """The value or the items of its source, saved in a store; the pass `attach_saves` moves the save to the source."""

    source: Node
    save: Save


@record
class Link:
    """A task applied to each item inside a composite; `items` are the parameters that the item fills.

    A link that `filters` passes the item on or drops it. The results of a link that `flattens` are unbatched: the next
    link gets their items.
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


@record
class Mapped:
    """Mapped arguments as a source of items: single values, or tuples when there are several; the first `limit`."""

    sources: tuple[Binding, ...]
    mode: MapMode
    limit: int | None = None


@record
class Collect:
    """The sink that keeps all items as a list."""


@record
class PulledSink:
    """The sink that hands each item to the operation that reads the stream, when it asks for it."""


@record
class Join:
    """The sink that calls a task with the list of all items; see `JoinNode`."""

    call: Call
    items: tuple[str, ...]
    saves: tuple[Save, ...]


@record
class Fold:
    """The sink that folds the items; see `ReduceNode`."""

    call: Call
    items: tuple[str, ...]
    initial: Argument
    ordered: bool
    saves: tuple[Save, ...]
    combine: CombineCall | None = None
    finish: Call | None = None


StreamSink: TypeAlias = Collect | PulledSink | Join | Fold
# Nodes and parts with a call.
CallingPart: TypeAlias = (
    TaskNode
    | IterNode
    | MapTaskNode
    | FilterNode
    | OperationNode
    | ReduceNode
    | JoinNode
    | Link
    | OperationLink
    | Join
    | Fold
)


def items_of(part: CallingPart) -> tuple[str, ...]:
    """Return the parameters of a part's call that items fill."""
    if isinstance(part, TaskNode | IterNode):
        return ()
    # The function that defines an operation is not called: its first parameter is the stream.
    return part.items or ("items",)


def fold_of(node: ReduceNode) -> Fold:
    """Return the sink that a fold becomes."""
    return Fold(node.call, node.items, node.initial, node.ordered, node.saves, node.combine, node.finish)


@record(repr=False)
class CompositeMapTaskNode(_ReprNode):
    """A source, the tasks and operations on its items and (once a rule has added it) its sink, run as one stream.

    It ends after `max_results` results (None: it does not); then no more links can follow.
    """

    source: IterNode | Mapped
    links: Sequence[Link | OperationLink]
    sink: StreamSink | None
    max_results: int | None = None


@record(repr=False)
class CompositeTaskNode(_ReprNode):
    """A chain of single calls that travels as one; each takes the value of the call before it."""

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
