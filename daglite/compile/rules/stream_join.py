"""stream_join: a join collects the list that it needs."""

from __future__ import annotations

from daglite.compile.rewrite import Readers
from daglite.compile.streams import open_stream
from daglite.ir.nodes import Join, JoinNode, Node
from daglite.records import replace


def stream_join(node: Node, readers: Readers) -> Node | None:
    """Law: `.join(f)` = `f(list of the items)`.

    before: join f over (iter gen -> then g)
    after:  iter gen -> then g -> join f

    Preconditions: the items have no other reader, f's other arguments included; f has no option that only a worker can
    keep (a time limit, `retry_on_crash=False`).
    """
    if isinstance(node, JoinNode) and readers(node.source) == 1 and not node.call.function.wants_worker:
        stream = open_stream(node.source)
        if stream is not None:
            return replace(stream, sink=Join(node.call, node.items, node.saves))
    return None
