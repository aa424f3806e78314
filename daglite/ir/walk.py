"""Walks over graphs of nodes. Each has its own stack: a pipeline may be thousands of nodes deep."""

from __future__ import annotations

from collections.abc import Callable
from operator import is_not
from typing import TYPE_CHECKING, TypeAlias, TypeGuard, TypeVar, get_args

from daglite.functions import Function
from daglite.ir.links import LinkedSequence
from daglite.ir.nodes import (
    Binding,
    Call,
    CombineCall,
    CompositeMapTaskNode,
    IterNode,
    Link,
    Mapped,
    Node,
    OperationLink,
    StreamSink,
    Value,
)
from daglite.lazy import lazy
from daglite.records import field_names, replace

if TYPE_CHECKING:
    import daglite.tokens as tokens
else:
    tokens = lazy("daglite.tokens")


# The fields that hold nodes or parts of them, in the order in which data flows through them. A walk reads no others.
_FIELDS = (
    "first",
    "source",
    "sources",
    "links",
    "sink",
    "call",
    "fixed",
    "bound",
    "argument",
    "initial",
    "operand",
    "combine",
    "empty",
    "finish",
)
_NODES: tuple[type, ...] = get_args(Node)
_PARTS: tuple[type, ...] = (Binding, Call, CombineCall, Link, Mapped, OperationLink, *get_args(StreamSink))
_NODE_TYPES = frozenset(_NODES)
_READS = {kind: tuple(name for name in _FIELDS if name in field_names(kind)) for kind in (*_NODES, *_PARTS)}
_SEQUENCES = frozenset({tuple, LinkedSequence})
_P = TypeVar("_P")
# Nodes, each after its children, with these.
Family: TypeAlias = dict[Node, list[Node]]


def children(node: Node) -> list[Node]:
    """Return the nodes that `node` reads, in data order; a node that is read twice appears twice."""
    found: list[Node] = []
    _collect(node, found)
    return found


def _collect(part: object, found: list[Node]) -> None:
    """Append the nodes right below `part`; the nesting of parts is fixed and shallow, only nodes are deep."""
    for name in _READS[type(part)]:
        value = getattr(part, name)
        for held in value if type(value) in _SEQUENCES else (value,):
            if _is_child(held, part):
                found.append(held)
            elif type(held) in _READS:
                _collect(held, found)


def _is_child(held: object, owner: object) -> TypeGuard[Node]:
    # The generator of a composite is a part of it, not a node of the graph any more.
    return _is_node(held) and not (type(held) is IterNode and type(owner) is CompositeMapTaskNode)


def _is_node(part: object) -> TypeGuard[Node]:
    return type(part) in _NODE_TYPES


def with_children(node: Node, new: Callable[[Node], Node]) -> Node:
    """Return `node` with each child replaced by `new(child)`; the very same object when nothing changes."""
    return _replaced(node, new)


def _replaced(part: _P, new: Callable[[Node], Node]) -> _P:
    changes: dict[str, object] = {}
    for name in _READS[type(part)]:
        value = getattr(part, name)
        if type(value) in _SEQUENCES:
            parts = [_replaced_field(part, held, new) for held in value]
            if any(map(is_not, parts, value)):
                changes[name] = type(value)(parts)
        elif (other := _replaced_field(part, value, new)) is not value:
            changes[name] = other
    return replace(part, **changes) if changes else part


def _replaced_field(owner: object, held: object, new: Callable[[Node], Node]) -> object:
    if _is_child(held, owner):
        return new(held)
    return _replaced(held, new) if type(held) in _READS else held


def family(root: Node, known: Family | None = None) -> Family:
    """Return every node below `root`, each once, children first, with its children.

    `known` is a family of an earlier walk: nodes never change, so their children need not be found again.
    """
    found: Family = {}
    below: Family = {}
    seen: set[Node] = set()
    # A node is pushed twice: for its children, then (after None) for itself.
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
            kids = known.get(node) if known is not None else None
            kids = children(node) if kids is None else kids
            below[node] = kids
            stack += kids[::-1]
    return found


def postorder(root: Node) -> list[Node]:
    """Return every node below `root`, each once, children first."""
    return list(family(root))


def consumers(root: Node) -> dict[Node, int]:
    """Count how often each node is read; the root has no reader and counts 0."""
    return readers_of(family(root))


def readers_of(found: Family) -> dict[Node, int]:
    """Count how often each node of a family is read."""
    counts = dict.fromkeys(found, 0)
    for kids in found.values():
        for child in kids:
            counts[child] += 1
    return counts


def rebuild(root: Node, change: Callable[[Node, Node], Node]) -> Node:
    """Return the graph with each node replaced by `change(node, node with its new children)`; sharing is kept."""
    done: dict[Node, Node] = {}
    for node in postorder(root):
        done[node] = change(node, with_children(node, done.__getitem__))
    return done[root]


def same(left: Node, right: Node) -> bool:
    """Return whether two graphs are equal in structure, functions, arguments and sharing."""
    pairs: dict[Node, Node] = {}
    taken: set[Node] = set()
    stack: list[tuple[object, object]] = [(left, right)]
    while stack:
        a, b = stack.pop()
        if _is_node(a):
            if a in pairs or b in taken:
                if pairs.get(a) is not b:
                    return False
                continue
            if not _is_node(b):
                return False
            pairs[a] = b
            taken.add(b)
        if not _same_parts(a, b, stack):
            return False
    return True


def _same_parts(a: object, b: object, stack: list[tuple[object, object]]) -> bool:
    """Compare one level, and push the level below it on the stack."""
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
