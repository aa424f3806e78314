"""drop_batches: batches that are unbatched at once are not made."""

from __future__ import annotations

from daglite.compile.rewrite import Readers
from daglite.ir.nodes import IterNode, MapTaskNode, Node, OperationNode, Value


def drop_batches(node: Node, readers: Readers) -> Node | None:
    """Law: `.batch(n).unbatch()` = the stream itself.

    before: unbatch over (batch 3 over s)
    after:  s

    Preconditions: the batches and s have no other reader; neither operation saves its outputs, or ends early; the items
    of s are numbered without gaps, because they are numbered anew after `unbatch`. A filter, or a task that skips items
    at which it fails, leaves gaps.
    """
    match node:
        case OperationNode(
            kind="unbatch",
            saves=(),
            max_results=None,
            source=OperationNode(kind="batch", saves=(), max_results=None, source=stream) as batch,
        ) if readers(batch) == 1 and readers(stream) == 1 and _numbered(stream):
            return stream
        case _:
            return None


def _numbered(stream: Node) -> bool:
    """Return whether the items are numbered from 0 without gaps."""
    while isinstance(stream, MapTaskNode):
        if stream.call.function.skips:
            return False
        first = stream.sources[0].argument
        if len(stream.sources) > 1 or isinstance(first, Value):
            return True
        stream = first
    return isinstance(stream, IterNode | OperationNode)
