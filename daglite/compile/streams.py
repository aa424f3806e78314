"""Streams seen alike by the rules: a source, a map or an open composite, as one open composite."""

from __future__ import annotations

from daglite.ir.nodes import CompositeMapTaskNode, IterNode, Link, Mapped, MapTaskNode, Node

__all__ = ["open_stream"]


def open_stream(node: Node) -> CompositeMapTaskNode | None:
    """The node as a composite without an ending, or None when it is not a stream that can go on."""
    match node:
        case IterNode():
            return CompositeMapTaskNode(node, (), None)
        case MapTaskNode():
            items = tuple(binding.name for binding in node.sources)
            return CompositeMapTaskNode(Mapped(node.sources, node.mode), (Link(node.call, items, node.saves),), None)
        case CompositeMapTaskNode(ending=None):
            return node
        case _:
            return None
