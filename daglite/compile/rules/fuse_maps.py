"""fuse_maps: a map, a filter or an operation on a map is one walk over the items."""

from __future__ import annotations

from daglite.compile.rewrite import Readers
from daglite.compile.streams import continued, open_stream, step_on
from daglite.ir.nodes import IterNode, Node


def fuse_maps(node: Node, readers: Readers) -> Node | None:
    """Law: `.then(f).then(g)` = `.then(g after f)`.

    The same holds for a filter, whose dropped items go no further, and for an operation.

    before: map g over (... -> then f)         filter p over (... -> then f)
    after:  ... -> then f -> then g            ... -> then f -> filter p

    Preconditions: f's results have no other reader, which would want what p drops. A save of f's results stays with
    its link. The stream must not end before its items do, as with `.take` after a filter: g would be given more items
    than are taken. Before an operation such an end becomes an operation as well.
    """
    step = step_on(node)
    if step is None or isinstance(step[0], IterNode) or readers(step[0]) != 1:
        return None
    stream = open_stream(step[0])
    return None if stream is None else continued(stream, node, step[1])
