"""Walks over graphs of nodes. Each keeps its own stack: a pipeline may be thousands of nodes deep."""

from __future__ import annotations

from collections.abc import Callable
from operator import is_not
from typing import TYPE_CHECKING, TypeAlias, TypeGuard, TypeVar

from daglite.functions import Function
from daglite.ir.links import LinkedSequence
from daglite.ir.nodes import (
    Binding,
    Call,
    Collect,
    CombineCall,
    CompositeMapTaskNode,
    CompositeTaskNode,
    FilterNode,
    Fold,
    IterNode,
    Join,
    JoinNode,
    Link,
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
)
from daglite.lazy import lazy
from daglite.records import field_names, replace

if TYPE_CHECKING:
    import daglite.tokens as tokens
else:
    tokens = lazy("daglite.tokens")


# Where each kind of part holds other parts, in the order in which data flows through them. A walk looks nowhere else.
_READS: dict[type, tuple[str, ...]] = {
    TaskNode: ("call",),
    IterNode: ("call",),
    MapTaskNode: ("sources", "call"),
    FilterNode: ("source", "call"),
    ReduceNode: ("source", "call", "initial", "combine", "finish"),
    JoinNode: ("source", "call"),
    SaveNode: ("source",),
    TakeNode: ("source",),
    OperationNode: ("source", "call", "operand"),
    CompositeMapTaskNode: ("source", "links", "sink"),
    CompositeTaskNode: ("first", "links"),
    Binding: ("argument",),
    Call: ("fixed", "bound"),
    Link: ("call",),
    OperationLink: ("call", "operand"),
    Mapped: ("sources",),
    Collect: (),
    PulledEnding: (),
    Join: ("call",),
    Fold: ("call", "initial", "combine", "finish"),
    CombineCall: ("call", "empty"),
}
_NODES = (
    TaskNode,
    IterNode,
    MapTaskNode,
    FilterNode,
    TakeNode,
    OperationNode,
    ReduceNode,
    JoinNode,
    SaveNode,
    CompositeMapTaskNode,
    CompositeTaskNode,
)
_NODE_TYPES = frozenset(_NODES)
_PARTS = tuple(kind for kind in _READS if kind not in _NODE_TYPES)
_MANY = frozenset({tuple, LinkedSequence})
_P = TypeVar("_P")
# Nodes, each after its children, with these.
Family: TypeAlias = dict[Node, list[Node]]


def children(node: Node) -> list[Node]:
    """The nodes that `node` reads, in data order; one that is read twice appears twice."""
    found: list[Node] = []
    _collect(node, found)
    return found


def _collect(part: object, found: list[Node]) -> None:
    """Append the nodes right below `part`; the nesting of parts is fixed and shallow, only nodes are deep."""
    for name in _READS[type(part)]:
        value = getattr(part, name)
        for one in value if type(value) in _MANY else (value,):
            if _is_child(one, part):
                found.append(one)
            elif type(one) in _READS:
                _collect(one, found)


def _is_child(one: object, owner: object) -> TypeGuard[Node]:
    # The generator of a composite is a part of it, not a node of the graph any more.
    return type(one) in _NODE_TYPES and not (type(one) is IterNode and type(owner) is CompositeMapTaskNode)


def with_children(node: Node, new: Callable[[Node], Node]) -> Node:
    """`node` with each child replaced by `new(child)`; the very same object when nothing changes."""
    return _replaced(node, new)


def _replaced(part: _P, new: Callable[[Node], Node]) -> _P:
    changes: dict[str, object] = {}
    for name in _READS[type(part)]:
        value = getattr(part, name)
        if type(value) in _MANY:
            parts = [_replaced_one(part, one, new) for one in value]
            if any(map(is_not, parts, value)):
                changes[name] = type(value)(parts)
        elif (other := _replaced_one(part, value, new)) is not value:
            changes[name] = other
    return replace(part, **changes) if changes else part


def _replaced_one(owner: object, one: object, new: Callable[[Node], Node]) -> object:
    if _is_child(one, owner):
        return new(one)
    return _replaced(one, new) if type(one) in _READS else one


def family(root: Node, known: Family | None = None) -> Family:
    """Every node below `root`, each once, children first, with its children.

    `known` is a family that may have met some of them: nodes never change, so their children need not be found again.
    """
    found: Family = {}
    below: Family = {}
    seen: set[Node] = set()
    # A node stands twice on the way: for its children, then (behind None) for itself.
    stack: list[Node | None] = [root]
    while stack:
        node = stack.pop()
        if node is None:
            node = stack.pop()
            assert node is not None
            found[node] = below[node]
        elif node not in seen:
            seen.add(node)
            stack += (node, None)
            met = known.get(node) if known is not None else None
            kids = children(node) if met is None else met
            below[node] = kids
            stack += kids[::-1]
    return found


def postorder(root: Node) -> list[Node]:
    """Every node below `root`, each once, children first."""
    return list(family(root))


def consumers(root: Node) -> dict[Node, int]:
    """How often each node is read; the root has no reader and counts 0."""
    return readers_of(family(root))


def readers_of(found: Family) -> dict[Node, int]:
    """How often each node of a family is read."""
    counts = dict.fromkeys(found, 0)
    for kids in found.values():
        for child in kids:
            counts[child] += 1
    return counts


def rebuild(root: Node, change: Callable[[Node], Node]) -> Node:
    """The graph with `change` applied to each node after its children; sharing is kept."""
    done: dict[Node, Node] = {}
    for node in postorder(root):
        done[node] = change(with_children(node, done.__getitem__))
    return done[root]


def same(left: Node, right: Node) -> bool:
    """Whether two graphs are equal in structure, functions, arguments and sharing."""
    pairs: dict[Node, Node] = {}
    taken: set[Node] = set()
    stack: list[tuple[object, object]] = [(left, right)]
    while stack:
        a, b = stack.pop()
        if isinstance(a, _NODES):
            if a in pairs or b in taken:
                if pairs.get(a) is not b:
                    return False
                continue
            if not isinstance(b, _NODES):
                return False
            pairs[a] = b
            taken.add(b)
        if not _same_parts(a, b, stack):
            return False
    return True


def _same_parts(a: object, b: object, stack: list[tuple[object, object]]) -> bool:
    """Compare one level and push what is below it."""
    a, b = (tuple(each) if type(each) is LinkedSequence else each for each in (a, b))
    if type(a) is not type(b):
        return False
    if isinstance(a, Function) and isinstance(b, Function):
        return tokens.same_function(a, b)
    if isinstance(a, Value) and isinstance(b, Value):
        return tokens.same_value(a.value, b.value)
    if isinstance(a, tuple) and isinstance(b, tuple):
        stack.extend(zip(a, b, strict=False))
        return len(a) == len(b)
    if isinstance(a, _NODES + _PARTS):
        stack.extend((getattr(a, name), getattr(b, name)) for name in field_names(type(a)))
        return True
    return tokens.same_value(a, b)
