"""Nodes as short text: for messages and for the trace of a compilation."""

from __future__ import annotations

from typing import assert_never

from daglite.ir.nodes import (
    Collect,
    CompositeMapTaskNode,
    CompositeTaskNode,
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
    PulledSink,
    ReduceNode,
    SaveNode,
    StreamSink,
    TakeNode,
    TaskNode,
)

_SHOWN_LINKS = 3


def node_text(node: Node) -> str:
    """Return one line that says what a node does, without descending into other nodes."""
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
            return _operation_text(node)
        case ReduceNode():
            return f"reduce {node.call.function.name}"
        case JoinNode():
            return f"join {node.call.function.name}"
        case SaveNode():
            return f"save {node.save.key.text}"
        case CompositeTaskNode():
            return _chain_text([node.first.function.name, *(link.call.function.name for link in node.links)])
        case CompositeMapTaskNode():
            first = f"iter {node.source.call.function.name}" if isinstance(node.source, IterNode) else "mapped"
            return _chain_text([first, *map(_link_text, node.links), *_sink_text(node.sink)])
        case _:
            assert_never(node)


def _link_text(link: Link | OperationLink) -> str:
    if isinstance(link, OperationLink):
        return _operation_text(link)
    return f"{'filter' if link.filters else 'then'} {link.call.function.name}"


def _operation_text(operation: OperationLink | OperationNode) -> str:
    """Return the kind of an operation with its task, or with its numbers."""
    task = [operation.call.function.name] if operation.items else [str(number) for _, number in operation.numbers]
    return " ".join([operation.kind, *task])


def _sink_text(sink: StreamSink | None) -> list[str]:
    match sink:
        case None:
            return []
        case Collect():
            return ["collect"]
        case PulledSink():
            return ["pulled"]
        case Join():
            return [f"join {sink.call.function.name}"]
        case Fold():
            return [f"reduce {sink.call.function.name}"]
        case _:
            assert_never(sink)


def _chain_text(parts: list[str]) -> str:
    if len(parts) > _SHOWN_LINKS + 2:
        parts = [*parts[:_SHOWN_LINKS], f"({len(parts) - _SHOWN_LINKS - 1} more)", parts[-1]]
    return " -> ".join(parts)
