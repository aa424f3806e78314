"""stream_source: a map, a filter or an operation over a generator runs as a stream."""

from __future__ import annotations

from daglite.compile.rewrite import Readers
from daglite.compile.streams import end_of, step_on
from daglite.ir.nodes import CompositeMapTaskNode, IterNode, Node


def stream_source(node: Node, readers: Readers) -> Node | None:
    """Law: `f.map(x=gen.iter())` = `f.map(x=gen())`, with each item sent on as it is yielded.

    The same holds for a filter and for an operation.

    before: map f over (iter gen)
    after:  iter gen -> then f

    Precondition: the generator's items have no other reader: it must not run twice.
    """
    step = step_on(node)
    if step is None or not isinstance(step[0], IterNode) or readers(step[0]) != 1:
        return None
    return CompositeMapTaskNode(step[0], step[1], None, end_of(node))
