"""check: refuse a graph that could never run, or would overwrite its own saves, before anything runs."""

from __future__ import annotations

from collections.abc import Iterator

from daglite.binding import known_parameters
from daglite.exceptions import ParameterError, TaskError
from daglite.functions import signature_of
from daglite.ir.nodes import (
    Call,
    CallingPart,
    CompositeMapTaskNode,
    CompositeTaskNode,
    FilterNode,
    Fold,
    IterNode,
    Join,
    JoinNode,
    MapTaskNode,
    Node,
    OperationNode,
    ReduceNode,
    SaveNode,
    TakeNode,
    TaskNode,
    Value,
    items_of,
)
from daglite.ir.text import node_text
from daglite.ir.walk import postorder
from daglite.keys import may_write_same_key
from daglite.options import Save

_VALUES = (TaskNode, ReduceNode, JoinNode, CompositeTaskNode)


def check(root: Node) -> None:
    """Raise `TaskError` or `ParameterError` for a graph that is not well formed."""
    order = postorder(root)
    for node in order:
        _check_streams(node)
    _check_saves(order)


def _check_streams(node: Node) -> None:
    """Check that folds, joins, filters, takes and operations read streams, and that a stream is mapped over alone."""
    match node:
        case ReduceNode() | JoinNode() | FilterNode() | TakeNode() | OperationNode() if isinstance(
            node.source, _VALUES
        ):
            raise TaskError(f"{node_text(node)} needs a stream; got {node_text(node.source)}")
        case MapTaskNode() if len(node.sources) > 1:
            for binding in node.sources:
                if isinstance(binding.argument, IterNode):
                    raise ParameterError(
                        f"{node_text(node)}: '{binding.name}' is an `.iter()` stream, the only mapped parameter allowed"
                    )
        case CompositeMapTaskNode(links=(), sink=None):
            raise TaskError(f"{node_text(node)} does nothing with its items; please report this")


def _check_saves(order: list[Node]) -> None:
    """Check that no two saves of one plan write the same key into one store."""
    seen: list[tuple[Save, dict[str, object], str]] = []
    for node in order:
        for save, call, items in _saves_of(node):
            values = _constants(call, items)
            for other, other_values, other_task in seen:
                if _same_store(save, other) and may_write_same_key(save.key, values, other.key, other_values):
                    raise ParameterError(
                        f"two saves would write the same keys into one store: {save.key.text!r} (task "
                        f"'{call.function.name}') and {other.key.text!r} (task '{other_task}'); give one another key"
                    )
            seen.append((save, values, call.function.name))


def _saves_of(node: Node) -> Iterator[tuple[Save, Call, tuple[str, ...]]]:
    """Yield each save at a node with the call that names its keys, and the parameters of it that items fill."""
    parts: list[CallingPart] = []
    match node:
        case CompositeTaskNode():
            last = node.links[-1]
            yield from ((save, last.call, last.items) for save in node.saves)
        case CompositeMapTaskNode():
            parts = [node.source] if isinstance(node.source, IterNode) else []
            parts += [*node.links, *([node.sink] if isinstance(node.sink, Fold | Join) else [])]
        case TakeNode():
            # Its saves have moved to what it takes from, or compile has refused them.
            pass
        case SaveNode():
            raise TaskError("a save was not attached to what it saves; please report this")
        case _:
            parts = [node]
    for part in parts:
        yield from ((save, part.call, items_of(part)) for save in part.saves)


def _constants(call: Call, items: tuple[str, ...]) -> dict[str, object]:
    """Return the values of a key's names as far as they are known before the run."""
    known = set(known_parameters(call, items))
    defaults = {name: p.default for name, p in signature_of(call.function).parameters.items()}
    values = {name: defaults[name] for name in known & set(defaults)}
    for binding in (*call.fixed, *call.bound):
        if isinstance(binding.argument, Value):
            values[binding.name] = binding.argument.value
        else:
            values.pop(binding.name, None)
    return values


def _same_store(a: Save, b: Save) -> bool:
    if a.store is None or b.store is None:
        return a.store is b.store
    return a.store is b.store or (type(a.store) is type(b.store) and bool(a.store == b.store))
