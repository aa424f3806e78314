"""stream_zip: a zip pulls its other stream."""

from __future__ import annotations

from operator import is_not

from daglite.compile.rewrite import Readers
from daglite.compile.streams import open_stream
from daglite.ir.nodes import Argument, CompositeMapTaskNode, Link, Node, OperationLink, OperationNode, PulledSink, Value
from daglite.records import replace

# Each stream is on the call stack of the one that pulls it, with some ten frames.
_MAX_DEPTH = 8


def stream_zip(node: Node, readers: Readers) -> Node | None:
    """Law: `s.zip(t)` = the pairs of `list of s` and `list of t`.

    before: s -> zip with the list of t
    after:  s -> zip with t, which is asked for an item when s has given one

    Preconditions: t has no other reader: in `p.zip(p.then(f))` p is a list that the other stream reads. At most eight
    streams are pulled one through the other.
    """
    match node:
        case OperationNode(kind="zip", operand=operand):
            stream = _open(operand, readers)
            return None if stream is None or _depth(stream) >= _MAX_DEPTH else replace(node, operand=_pulled(stream))
        case CompositeMapTaskNode():
            return _within(node, readers)
        case _:
            return None


def _within(node: CompositeMapTaskNode, readers: Readers) -> Node | None:
    """Pull the other streams of the zips in a composite, from its source on."""
    links, nesting = list(node.links), _Nesting()
    for place, link in enumerate(links):
        if isinstance(link, OperationLink) and link.kind == "zip":
            stream = _open(link.operand, readers)
            if stream is not None and max(nesting.depth + nesting.after_task, _depth(stream) + 1) <= _MAX_DEPTH:
                link = links[place] = replace(link, operand=_pulled(stream))
        nesting.add(link)
    changed = any(map(is_not, links, node.links))
    return replace(node, links=tuple(links)) if changed else None


class _Nesting:
    """How many streams the links so far are pulled through, one in the other.

    A zip after a task pulls the stream before it as a whole; see `lower`.
    """

    def __init__(self) -> None:
        self.depth = 0
        self.after_task = False

    def add(self, link: Link | OperationLink) -> None:
        """Count one more link."""
        if isinstance(link, Link):
            self.after_task = True
        elif _is_pulled(link.operand):
            self.depth = max(self.depth + self.after_task, _depth(link.operand) + 1)
            self.after_task = False


def _depth(operand: Argument | None) -> int:
    """Return how many streams a stream is pulled through, one in the other."""
    nesting = _Nesting()
    for link in operand.links if isinstance(operand, CompositeMapTaskNode) else ():
        nesting.add(link)
    return nesting.depth


def _open(operand: Argument | None, readers: Readers) -> CompositeMapTaskNode | None:
    """Return the other stream, if it still has no sink and no other reader."""
    if operand is None or isinstance(operand, Value):
        return None
    stream = open_stream(operand)
    return stream if stream is not None and readers(operand) == 1 else None


def _pulled(stream: CompositeMapTaskNode) -> CompositeMapTaskNode:
    return replace(stream, sink=PulledSink())


def _is_pulled(operand: Argument | None) -> bool:
    return isinstance(operand, CompositeMapTaskNode) and isinstance(operand.sink, PulledSink)
