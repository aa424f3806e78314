"""drop_batches: batches that are taken apart at once need not be made."""

from __future__ import annotations

from daglite.compile.rewrite import Readers
from daglite.ir.nodes import IterNode, MapTaskNode, Node, OperationNode, Value


def drop_batches(node: Node, readers: Readers) -> Node | None:
    """Law: `.batch(n).unbatch()` = the stream itself.

    before: unbatch over (batch 3 over s)
    after:  s

    Preconditions: nobody else reads the batches or s; neither operation saves what it gives, or ends early; the items
    of s are numbered without gaps, so nothing has dropped one since they were numbered (a filter, a task that skips
    items at which it fails), for they are numbered anew behind `unbatch`.
    """
    match node:
        case OperationNode(
            kind="unbatch",
            saves=(),
            most=None,
            source=OperationNode(kind="batch", saves=(), most=None, source=stream) as batch,
        ) if readers(batch) == 1 and readers(stream) == 1 and _numbered(stream):
            return stream
        case _:
            return None


def _numbered(stream: Node) -> bool:
    """Whether the items are numbered from 0 without gaps."""
    while isinstance(stream, MapTaskNode):
        if stream.call.function.skips:
            return False
        first = stream.sources[0].argument
        if len(stream.sources) > 1 or isinstance(first, Value):
            return True
        stream = first
    return isinstance(stream, IterNode | OperationNode)
