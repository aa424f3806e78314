"""stream_reduce: a fold takes the items as they come."""

from __future__ import annotations

from daglite.compile.rewrite import Readers
from daglite.compile.streams import open_stream
from daglite.ir.nodes import Node, ReduceNode, fold_of
from daglite.records import replace


def stream_reduce(node: Node, readers: Readers) -> Node | None:
    """Law: a fold of a stream = a fold of the list of its items, in constant memory.

    before: reduce add over (iter gen -> then f)
    after:  iter gen -> then f -> reduce add

    Precondition: the items have no other reader, the fold's own arguments and initial value included.
    """
    if isinstance(node, ReduceNode) and readers(node.source) == 1:
        stream = open_stream(node.source)
        if stream is not None:
            return replace(stream, sink=fold_of(node))
    return None
