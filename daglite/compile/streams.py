"""Streams seen alike by the rules: a source, a map or an open composite, as one open composite."""

from __future__ import annotations

from collections.abc import Sequence

from daglite.ir.links import Links
from daglite.ir.nodes import CompositeMapTaskNode, IterNode, Link, Mapped, MapTaskNode, Node

__all__ = ["extended", "open_stream"]


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


def extended(links: Sequence[Link], link: Link) -> Links[Link]:
    """The links with one more."""
    return links.plus(link) if isinstance(links, Links) else Links([*links, link])
