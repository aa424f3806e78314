"""stream_zip: the other stream of a zip is pulled beside the first."""

from __future__ import annotations

from daglite.compile.rewrite import Readers
from daglite.compile.streams import open_stream
from daglite.ir.nodes import Argument, CompositeMapTaskNode, Link, Node, OperationNode, PulledEnding, Value
from daglite.records import replace

# Each stream stands on the stack of the one that pulls it, with some ten frames.
_DEEPEST = 8


def stream_zip(node: Node, readers: Readers) -> Node | None:
    """Law: `s.zip(t)` = the pairs of `list of s` and `list of t`.

    before: s -> zip with the list of t
    after:  s -> zip with t, which is asked for an item when s has given one

    Preconditions: nobody else reads t: in `p.zip(p.then(f))` p is a list, and the other stream reads it. No more than
    eight streams are pulled one through the other.
    """
    match node:
        case OperationNode(kind="zip", operand=other):
            stream = _open(other, readers)
            return None if stream is None or _depth(stream) >= _DEEPEST else replace(node, operand=_pulled(stream))
        case CompositeMapTaskNode():
            return _within(node, readers)
        case _:
            return None


def _within(node: CompositeMapTaskNode, readers: Readers) -> Node | None:
    """The zips of a composite, from its source on: what stands behind tasks is pulled as a whole."""
    links, depth, behind = list(node.links), 0, False
    changed = False
    for at, part in enumerate(links):
        if isinstance(part, Link):
            behind = True
        elif part.kind == "zip":
            stream = _open(part.operand, readers)
            if stream is not None and max(depth + behind, _depth(stream) + 1) <= _DEEPEST:
                part = links[at] = replace(part, operand=_pulled(stream))
                changed = True
            if _is_pulled(part.operand):
                depth, behind = max(depth + behind, _depth(part.operand) + 1), False
    return replace(node, links=tuple(links)) if changed else None


def _open(other: Argument | None, readers: Readers) -> CompositeMapTaskNode | None:
    """The other stream, if it still is one and nobody else reads it."""
    if other is None or isinstance(other, Value):
        return None
    stream = open_stream(other)
    return stream if stream is not None and readers(other) == 1 else None


def _pulled(stream: CompositeMapTaskNode) -> CompositeMapTaskNode:
    return replace(stream, sink=PulledEnding())


def _is_pulled(other: Argument | None) -> bool:
    return isinstance(other, CompositeMapTaskNode) and isinstance(other.sink, PulledEnding)


def _depth(other: Argument | None) -> int:
    """How many streams a stream is pulled through, one in the other."""
    depth, behind = 0, False
    for part in other.links if isinstance(other, CompositeMapTaskNode) else ():
        if isinstance(part, Link):
            behind = True
        elif _is_pulled(part.operand):
            depth, behind = max(depth + behind, _depth(part.operand) + 1), False
    return depth
