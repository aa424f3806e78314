"""fuse_maps: a map of a map, a filter or an operation of one, is one walk over the items."""

from __future__ import annotations

from daglite.compile.rewrite import Readers
from daglite.compile.streams import continued, open_stream, step_on
from daglite.ir.nodes import IterNode, Node


def fuse_maps(node: Node, readers: Readers) -> Node | None:
    """Law: `.then(f).then(g)` = `.then(g after f)`.

    A filter is such a step as well: what it drops goes no further. So is an operation, which takes items as they come.

    before: map g over (... -> then f)         filter p over (... -> then f)
    after:  ... -> then f -> then g            ... -> then f -> filter p

    Precondition: f's results have no other reader, which would want what p drops. A save of f's results does not
    hinder: the link keeps it, and the value saved is the one before g or p touched it. The stream must not end
    before its items do, as one with `.take` behind a filter: g would be given more than is taken. In front of an
    operation such an end becomes one as well.
    """
    step = step_on(node)
    if step is None or isinstance(step[0], IterNode) or readers(step[0]) != 1:
        return None
    stream = open_stream(step[0])
    return None if stream is None else continued(stream, node, step[1])
