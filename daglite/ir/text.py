"""Nodes as short text: for messages and for the trace of a compilation."""

from __future__ import annotations

from typing import assert_never

from daglite.ir.nodes import (
    Collect,
    CompositeMapTaskNode,
    CompositeTaskNode,
    Ending,
    FilterNode,
    Fold,
    IterNode,
    Join,
    JoinNode,
    Link,
    MapTaskNode,
    Node,
    OperationLink,
    OperationNode,
    PulledEnding,
    ReduceNode,
    SaveNode,
    TakeNode,
    TaskNode,
)

_SHOWN_LINKS = 3


def node_text(node: Node) -> str:
    """One line that says what a node does, without descending into other nodes."""
    match node:
        case TaskNode():
            return f"call {node.call.function.name}"
        case IterNode():
            return f"iter {node.call.function.name}"
        case MapTaskNode():
            return f"map {node.call.function.name}"
        case FilterNode():
            return f"filter {node.call.function.name}"
        case TakeNode():
            return f"take {node.count}"
        case OperationNode():
            return _operation(node)
        case ReduceNode():
            return f"reduce {node.call.function.name}"
        case JoinNode():
            return f"join {node.call.function.name}"
        case SaveNode():
            return f"save {node.save.key.text}"
        case CompositeTaskNode():
            return _chain([node.first.function.name, *(link.call.function.name for link in node.links)])
        case CompositeMapTaskNode():
            names = [_link(link) for link in node.links]
            first = [f"iter {node.source.call.function.name}"] if isinstance(node.source, IterNode) else ["mapped"]
            return _chain([*first, *names, *_ending_text(node.sink)])
        case _:
            assert_never(node)


def _link(link: Link | OperationLink) -> str:
    if isinstance(link, OperationLink):
        return _operation(link)
    return f"{'filter' if link.filters else 'then'} {link.call.function.name}"


def _operation(of: OperationLink | OperationNode) -> str:
    """The kind with what tells it from others: its task, or its numbers."""
    told = [of.call.function.name] if of.items else [str(number) for _, number in of.numbers]
    return " ".join([of.kind, *told])


def _ending_text(sink: Ending | None) -> list[str]:
    match sink:
        case None:
            return []
        case Collect():
            return ["collect"]
        case PulledEnding():
            return ["pulled"]
        case Join():
            return [f"join {sink.call.function.name}"]
        case Fold():
            return [f"reduce {sink.call.function.name}"]
        case _:
            assert_never(sink)


def _chain(parts: list[str]) -> str:
    if len(parts) > _SHOWN_LINKS + 2:
        parts = [*parts[:_SHOWN_LINKS], f"({len(parts) - _SHOWN_LINKS - 1} more)", parts[-1]]
    return " -> ".join(parts)
