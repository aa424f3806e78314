"""Build operations: as nodes of a graph, and as parts of a composite."""

from __future__ import annotations

from daglite.functions import Function
from daglite.ir.nodes import Argument, Binding, Call, Node, OperationLink, OperationNode, Value
from daglite.operations import OperationKind, spec_of


def operation_node(
    kind: OperationKind,
    source: Node,
    asked: tuple[Call, tuple[str, ...]] | None = None,
    *,
    operand: Argument | None = None,
    **numbers: int | None,
) -> OperationNode:
    """Return an operation on a stream; `asked` is the call of its task, with the parameters that items fill.

    Numbers that are None are left out.
    """
    given = {name: number for name, number in numbers.items() if number is not None}
    call, items = asked or (_meaning(kind, given), ())
    return OperationNode(kind, call, source, items, tuple(given.items()), operand)


def take_link(count: int) -> OperationLink:
    """Return the end of a stream, as a part of a composite."""
    return OperationLink("take", _meaning("take", {"n": count}), (), (("n", count),), None, ())


def operation_links(node: OperationNode) -> tuple[OperationLink, ...]:
    """Return an operation as parts of a composite: itself, and the end that it may have."""
    link = OperationLink(node.kind, node.call, node.items, node.numbers, node.operand, node.saves)
    return (link,) if node.max_results is None else (link, take_link(node.max_results))


def _meaning(kind: OperationKind, numbers: dict[str, int]) -> Call:
    """Return the call of an operation without a task: the function that defines it, with its numbers."""
    function = Function(spec_of(kind).meaning, kind, "plain", 0, "?")
    return Call(function, (), tuple(Binding(name, Value(number)) for name, number in numbers.items()))
