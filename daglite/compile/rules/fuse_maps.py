"""fuse_maps: a map of a map is one walk over the items."""

from __future__ import annotations

from daglite.compile.rewrite import Readers
from daglite.compile.streams import extended, open_stream
from daglite.ir.nodes import IterNode, Link, MapTaskNode, Node, Value
from daglite.records import replace

__all__ = ["fuse_maps"]


def fuse_maps(node: Node, readers: Readers) -> Node | None:
    """Law: `.then(f).then(g)` = `.then(g after f)`.

    before: map g over (... -> then f)
    after:  ... -> then f -> then g

    Precondition: f's results have no other reader. A save of f's results does not hinder: the link keeps it, and the
    value saved is the one before g touched it.
    """
    match node:
        case MapTaskNode(sources=(binding,)) if not isinstance(binding.argument, Value | IterNode):
            stream = open_stream(binding.argument)
            if stream is not None and readers(binding.argument) == 1:
                return replace(stream, links=extended(stream.links, Link(node.call, (binding.name,), node.saves)))
    return None
