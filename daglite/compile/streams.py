"""One view of streams for the rules: a source, map, filter or operation as an open composite, without a sink."""

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
    """Return the node as a composite without a sink, or None when it is not a stream that can be continued."""
    match node:
        case IterNode():
            return CompositeMapTaskNode(node, (), None)
        case MapTaskNode():
            source = Mapped(node.sources, node.mode, node.limit)
        case FilterNode() | OperationNode():
            name = node.items[0] if isinstance(node, FilterNode) else "items"
            source = Mapped((Binding(name, node.source),), "zip")
        case CompositeMapTaskNode(sink=None):
            return node
        case _:
            return None
    return CompositeMapTaskNode(source, _links(node), None, end_of(node))


def step_on(node: Node) -> tuple[Node, tuple[Link | OperationLink, ...]] | None:
    """Return the stream that a step reads, and the links of a composite that it becomes; None for other nodes.

    A step is a filter, an operation, or a map over the items of one other node.
    """
    match node:
        case FilterNode() | OperationNode():
            return node.source, _links(node)
        case MapTaskNode(sources=(binding,)) if not isinstance(binding.argument, Value):
            return binding.argument, _links(node)
        case _:
            return None


def extended(links: Sequence[L], link: L) -> LinkedSequence[L]:
    """Return the links with one more."""
    return links.plus(link) if isinstance(links, LinkedSequence) else LinkedSequence([*links, link])


def continued(
    stream: CompositeMapTaskNode, node: Node, links: tuple[Link | OperationLink, ...]
) -> CompositeMapTaskNode | None:
    """Return the stream with the links of `node` after it.

    None when the stream may end before its items do and the next link is a task, which would be given more items than
    are asked for. Before an operation such an end becomes an operation, too.
    """
    if stream.max_results is not None:
        if not isinstance(links[0], OperationLink):
            return None
        links = (take_link(stream.max_results), *links)
    longer = stream.links
    for link in links:
        longer = extended(longer, link)
    return replace(stream, links=longer, max_results=end_of(node))


def end_of(node: Node) -> int | None:
    """Return the number of results after which a step on a stream ends it; None where it does not."""
    return node.max_results if isinstance(node, MapTaskNode | FilterNode) else None


def _links(node: MapTaskNode | FilterNode | OperationNode) -> tuple[Link | OperationLink, ...]:
    if isinstance(node, OperationNode):
        return operation_links(node)
    return (Link(node.call, node.items, node.saves, filters=isinstance(node, FilterNode)),)
