"""Operations made here: those of which all is known by their kind and their numbers."""

from __future__ import annotations

from daglite.functions import Function
from daglite.ir.nodes import Binding, Call, Node, OperationLink, OperationNode, Value
from daglite.operations import MEANINGS, OperationKind


def plain_call(kind: OperationKind, numbers: tuple[tuple[str, int], ...]) -> Call:
    """Stands for an operation that asks no task: the function that says what it means, with its numbers."""
    function = Function(MEANINGS[kind], kind, "plain", 0, "?")
    return Call(function, (), tuple(Binding(name, Value(number)) for name, number in numbers))


def plain_operation(kind: OperationKind, source: Node, **numbers: int) -> OperationNode:
    """An operation that asks no task, of a stream."""
    told = tuple(numbers.items())
    return OperationNode(kind, plain_call(kind, told), source, None, told)


def take_of(count: int) -> OperationLink:
    """The end of a stream, as an operation between the links of a composite."""
    told = (("n", count),)
    return OperationLink("take", plain_call("take", told), None, told, None, ())


def parts_of(node: OperationNode) -> tuple[OperationLink, ...]:
    """The parts of a composite that an operation becomes: itself, and the end that it may have."""
    one = OperationLink(node.kind, node.call, node.item, node.numbers, node.other, node.saves)
    return (one,) if node.most is None else (one, take_of(node.most))
