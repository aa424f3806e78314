"""stream_source: a map over a generator runs as a stream."""

from __future__ import annotations

from daglite.compile.rewrite import Readers
from daglite.ir.nodes import CompositeMapTaskNode, IterNode, Link, MapTaskNode, Node

__all__ = ["stream_source"]


def stream_source(node: Node, readers: Readers) -> Node | None:
    """Law: `f.map(x=gen.iter())` = `f.map(x=gen())`, with each item sent on as it is yielded.

    before: map f over (iter gen)
    after:  iter gen -> then f

    Precondition: the generator's items have no other reader; it must not be run twice.
    """
    match node:
        case MapTaskNode(sources=(binding,)) if isinstance(binding.argument, IterNode):
            if readers(binding.argument) == 1:
                return CompositeMapTaskNode(binding.argument, (Link(node.call, (binding.name,), node.saves),), None)
    return None
