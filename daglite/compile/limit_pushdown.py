"""push_takes: what takes the first items of a stream becomes a limit where they come from."""

from __future__ import annotations

from daglite.compile.streams import step_on
from daglite.exceptions import ParameterError
from daglite.ir.nodes import FilterNode, IterNode, MapTaskNode, Node, OperationNode, TakeNode
from daglite.ir.walk import consumers, postorder, with_children
from daglite.operations import spec_of
from daglite.options import Save
from daglite.records import replace

_STREAMS = (IterNode, MapTaskNode, FilterNode, TakeNode, OperationNode)


def push_takes(root: Node) -> Node:
    """Move every `TakeNode` down through maps, as far as nobody else reads what it takes from.

    This is no rewrite rule but what `.take` means: items behind the last one are never asked for, in plans that are
    not optimised too. A take that reaches a generator or mapped values limits them; one that reaches a filter ends it
    when enough items have passed. Of operations those that make so many items of so many are gone through, as maps are;
    one that reaches another ends it. One that takes from a stream with other readers
    stays: it is the head of a list.

    Raises `ParameterError` for a save of such a head.
    """
    order = postorder(root)
    if not any(isinstance(node, TakeNode) for node in order):
        return root
    readers = consumers(root)
    # How many items of each node are asked for; what is below a node is met after it.
    wanted: dict[Node, int] = {}
    moved: dict[Node, TakeNode] = {}
    for node in reversed(order):
        most = wanted.get(node)
        other = _other_stream(node)
        if other is not None and most is not None and readers[other] == 1:
            # The other stream of a zip gives as many items as the first.
            wanted[other] = most
        below = _below(node)
        if below is None or readers[below] != 1:
            continue
        if isinstance(node, TakeNode):
            most = node.count if most is None else min(node.count, most)
            moved[node] = node
        if most is not None and isinstance(below, _STREAMS):
            asked = _asked(node, most)
            if asked is not None:
                wanted[below] = asked
    return _rebuilt(order, wanted, moved)


def _below(node: Node) -> Node | None:
    """The node whose items become those of this one, each or some."""
    if isinstance(node, TakeNode):
        return node.source if isinstance(node.source, _STREAMS) else None
    if isinstance(node, OperationNode):
        return node.source
    step = step_on(node)
    return None if step is None else step[0]


def _other_stream(node: Node) -> Node | None:
    """Return the stream that an operation pulls beside its items."""
    if isinstance(node, OperationNode) and spec_of(node.kind).reads_stream and isinstance(node.operand, _STREAMS):
        return node.operand
    return None


def _drops(node: Node) -> bool:
    """Whether not every item comes through: of a filter, and of a map that skips those at which it fails."""
    return isinstance(node, FilterNode) or (isinstance(node, MapTaskNode) and node.call.function.skips)


def _asked(node: Node, most: int) -> int | None:
    """How many items a node asks for to give so many; None where nobody knows."""
    if _drops(node):
        return 0 if most == 0 else None
    if not isinstance(node, OperationNode) or most == 0:
        return most
    return spec_of(node.kind).demand(most, **dict(node.numbers))


def _rebuilt(order: list[Node], wanted: dict[Node, int], moved: dict[Node, TakeNode]) -> Node:
    done: dict[Node, Node] = {}
    for node in order:
        new = with_children(node, done.__getitem__)
        if isinstance(new, TakeNode):
            # What is saved here is what is saved there: nothing behind it is made.
            saves, new = new.saves, new.source if node in moved else _head(new, wanted.get(node))
            new = _with_saves(new, saves) if saves else new
        elif node in wanted:
            step = _below(node)
            # A map that alone reads a limited stream needs no limit of its own.
            if _drops(node) or step not in wanted:
                new = _limited(new, wanted[node])
        done[node] = new
    return done[order[-1]]


def _head(take: TakeNode, most: int | None) -> TakeNode:
    """A take that stays, without its saves; `most` is what its only reader asks of it."""
    count = take.count if most is None else min(take.count, most)
    return take if count == take.count and not take.saves else TakeNode(take.source, count)


def _limited(node: Node, most: int) -> Node:
    """The node that makes no more than `most` items."""
    if _drops(node) or isinstance(node, OperationNode):
        return replace(node, most=most)
    return replace(node, limit=most) if isinstance(node, IterNode | MapTaskNode) else node


def _with_saves(node: Node, saves: tuple[Save, ...]) -> Node:
    if isinstance(node, IterNode | MapTaskNode | FilterNode | OperationNode):
        return replace(node, saves=(*node.saves, *saves))
    raise ParameterError(
        f"the key {saves[0].key.text!r} is for the head of a stream that others read as well; "
        "save the whole stream, before `.take`, or take from a stream of its own"
    )
