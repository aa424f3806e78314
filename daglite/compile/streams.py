"""Streams seen alike by the rules: a source, a map, a filter or an open composite, as one open composite."""

from __future__ import annotations

from collections.abc import Sequence

from daglite.ir.links import Links
from daglite.ir.nodes import (
    Binding,
    CompositeMapTaskNode,
    FilterNode,
    IterNode,
    Link,
    Mapped,
    MapTaskNode,
    Node,
    Value,
)
from daglite.records import replace

__all__ = ["continued", "extended", "most_of", "open_stream", "step_on"]


def open_stream(node: Node) -> CompositeMapTaskNode | None:
    """The node as a composite without an ending, or None when it is not a stream that can go on."""
    match node:
        case IterNode():
            return CompositeMapTaskNode(node, (), None)
        case MapTaskNode():
            return CompositeMapTaskNode(Mapped(node.sources, node.mode, node.limit), (_link(node),), None, node.most)
        case FilterNode():
            source = Mapped((Binding(node.item, node.source),), "zip")
            return CompositeMapTaskNode(source, (_link(node),), None, node.most)
        case CompositeMapTaskNode(ending=None):
            return node
        case _:
            return None


def step_on(node: Node) -> tuple[Node, Link] | None:
    """What a step on each item reads, and the link it is in a composite; None when the node is no such step.

    That is a filter, or a map over the items of one other node.
    """
    match node:
        case FilterNode():
            return node.source, _link(node)
        case MapTaskNode(sources=(binding,)) if not isinstance(binding.argument, Value):
            return binding.argument, _link(node)
        case _:
            return None


def extended(links: Sequence[Link], link: Link) -> Links[Link]:
    """The links with one more."""
    return links.plus(link) if isinstance(links, Links) else Links([*links, link])


def continued(stream: CompositeMapTaskNode, node: Node, link: Link) -> CompositeMapTaskNode | None:
    """The stream with one more link, that of `node`; None when it may end before its items do.

    A task behind the end would be given more items than it asks for.
    """
    if stream.most is not None:
        return None
    return replace(stream, links=extended(stream.links, link), most=most_of(node))


def most_of(node: Node) -> int | None:
    """With how many results a step on a stream ends it; None where it does not."""
    return node.most if isinstance(node, MapTaskNode | FilterNode) else None


def _link(node: MapTaskNode | FilterNode) -> Link:
    if isinstance(node, FilterNode):
        return Link(node.call, (node.item,), node.saves, filters=True)
    return Link(node.call, tuple(binding.name for binding in node.sources), node.saves)
