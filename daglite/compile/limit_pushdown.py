"""push_limits: a `.take` becomes a limit where the items of its stream come from."""

from __future__ import annotations

from daglite.compile.streams import step_on
from daglite.exceptions import ParameterError
from daglite.ir.nodes import FilterNode, IterNode, MapTaskNode, Node, OperationNode, TakeNode
from daglite.ir.walk import consumers, postorder, rebuild
from daglite.operations import spec_of
from daglite.options import Save
from daglite.records import replace

_STREAMS = (IterNode, MapTaskNode, FilterNode, TakeNode, OperationNode)


def push_limits(root: Node) -> Node:
    """Move every `TakeNode` towards the source, through nodes that each have one reader.

    This is no rewrite rule, but the meaning of `.take`: items after the last one are never asked for, in plans that
    are not optimised either. A take that reaches a generator or mapped values limits them. One that reaches a filter,
    or an operation whose demand depends on its items, ends it after that number of outputs. Maps and other operations
    are passed. A take from a stream with other readers is not moved: it is the head of a list.

    Raises `ParameterError` for a save of such a head.
    """
    order = postorder(root)
    if not any(isinstance(node, TakeNode) for node in order):
        return root
    readers = consumers(root)
    # How many items of each node are asked for; a node is met after its reader.
    demands: dict[Node, int] = {}
    moved: set[Node] = set()
    for node in reversed(order):
        count = demands.get(node)
        other = _other_stream(node)
        if other is not None and count is not None and readers[other] == 1:
            # A zip asks for as many items of its other stream.
            demands[other] = count
        source = _source(node)
        if source is None or readers[source] != 1:
            continue
        if isinstance(node, TakeNode):
            count = node.count if count is None else min(node.count, count)
            moved.add(node)
        if count is not None and isinstance(source, _STREAMS):
            demand = _demand(node, count)
            if demand is not None:
                demands[source] = demand

    def limit(node: Node, new: Node) -> Node:
        if isinstance(new, TakeNode):
            # The saves move too: nothing after the last item is made.
            saves, new = new.saves, new.source if node in moved else _head(new, demands.get(node))
            return _with_saves(new, saves) if saves else new
        # A map that alone reads a limited stream needs no limit of its own.
        limited = node in demands and (_drops(node) or _source(node) not in demands)
        return _limited(new, demands[node]) if limited else new

    return rebuild(root, limit)


def _source(node: Node) -> Node | None:
    """Return the node whose items become those of this one, all or some of them."""
    if isinstance(node, TakeNode):
        return node.source if isinstance(node.source, _STREAMS) else None
    step = step_on(node)
    return None if step is None else step[0]


def _other_stream(node: Node) -> Node | None:
    """Return the stream that an operation pulls beside its items."""
    if isinstance(node, OperationNode) and spec_of(node.kind).reads_stream and isinstance(node.operand, _STREAMS):
        return node.operand
    return None


def _drops(node: Node) -> bool:
    """Return whether items may end at a node: at a filter, and at a map that skips those at which it fails."""
    return isinstance(node, FilterNode) or (isinstance(node, MapTaskNode) and node.call.function.skips)


def _demand(node: Node, count: int) -> int | None:
    """Return the number of items that a node needs for `count` outputs; None where that depends on the items."""
    if count == 0:
        return 0
    if isinstance(node, OperationNode):
        return spec_of(node.kind).demand(count, **dict(node.numbers))
    return None if _drops(node) else count


def _head(take: TakeNode, demand: int | None) -> TakeNode:
    """Return a take that stays, without its saves; `demand` is that of its only reader."""
    count = take.count if demand is None else min(take.count, demand)
    return take if count == take.count and not take.saves else TakeNode(take.source, count)


def _limited(node: Node, count: int) -> Node:
    """Return the node that makes at most `count` items."""
    if _drops(node) or isinstance(node, OperationNode):
        return replace(node, max_results=count)
    return replace(node, limit=count) if isinstance(node, IterNode | MapTaskNode) else node


def _with_saves(node: Node, saves: tuple[Save, ...]) -> Node:
    if isinstance(node, IterNode | MapTaskNode | FilterNode | OperationNode):
        return replace(node, saves=(*node.saves, *saves))
    raise ParameterError(
        f"the key {saves[0].key.text!r} is for the head of a stream that others read as well; "
        "save the whole stream, before `.take`, or take from a stream of its own"
    )
