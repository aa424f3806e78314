"""Streams seen alike by the rules: a source, a map, a filter, an operation, an open composite: as open composites."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from daglite.ir.builders import operation_links, take_link
from daglite.ir.links import LinkedSequence
from daglite.ir.nodes import (
    Binding,
    CompositeMapTaskNode,
    FilterNode,
    IterNode,
    Link,
    Mapped,
    MapTaskNode,
    Node,
    OperationLink,
    OperationNode,
    Value,
)
from daglite.records import replace

L = TypeVar("L")


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
        case OperationNode():
            return CompositeMapTaskNode(Mapped((Binding("items", node.source),), "zip"), operation_links(node), None)
        case CompositeMapTaskNode(sink=None):
            return node
        case _:
            return None


def step_on(node: Node) -> tuple[Node, tuple[Link | OperationLink, ...]] | None:
    """What a step on a stream reads, and the parts of a composite that it is; None when the node is no such step.

    That is a filter, an operation, or a map over the items of one other node.
    """
    match node:
        case OperationNode():
            return node.source, operation_links(node)
        case FilterNode():
            return node.source, (_link(node),)
        case MapTaskNode(sources=(binding,)) if not isinstance(binding.argument, Value):
            return binding.argument, (_link(node),)
        case _:
            return None


def extended(links: Sequence[L], link: L) -> LinkedSequence[L]:
    """The links with one more."""
    return links.plus(link) if isinstance(links, LinkedSequence) else LinkedSequence([*links, link])


def continued(
    stream: CompositeMapTaskNode, node: Node, parts: tuple[Link | OperationLink, ...]
) -> CompositeMapTaskNode | None:
    """The stream with these parts behind it, those of `node`; None when it may end before its items do and the next is
    a task, which would be given more items than it asks for. In front of an operation the end becomes one, too.
    """
    if stream.most is not None:
        if not isinstance(parts[0], OperationLink):
            return None
        parts = (take_link(stream.most), *parts)
    links = stream.links
    for part in parts:
        links = extended(links, part)
    return replace(stream, links=links, most=most_of(node))


def most_of(node: Node) -> int | None:
    """With how many results a step on a stream ends it; None where it does not."""
    return node.most if isinstance(node, MapTaskNode | FilterNode) else None


def _link(node: MapTaskNode | FilterNode) -> Link:
    if isinstance(node, FilterNode):
        return Link(node.call, (node.item,), node.saves, filters=True)
    return Link(node.call, tuple(binding.name for binding in node.sources), node.saves)
