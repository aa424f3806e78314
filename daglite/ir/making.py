"""Operations made here: those of which all is known by their kind and their numbers."""

from __future__ import annotations

from daglite.functions import Function
from daglite.ir.nodes import Binding, Call, Node, Operation, OperationNode, Value
from daglite.operations import MEANINGS, OperationKind

__all__ = ["plain_call", "plain_operation", "take_from", "take_of"]


def plain_call(kind: OperationKind, numbers: tuple[tuple[str, int], ...]) -> Call:
    """Stands for an operation that asks no task: the function that says what it means, with its numbers."""
    function = Function(MEANINGS[kind], kind, "plain", 0, "?")
    return Call(function, (), tuple(Binding(name, Value(number)) for name, number in numbers))


def plain_operation(kind: OperationKind, source: Node, **numbers: int) -> OperationNode:
    """An operation that asks no task, of a stream."""
    told = tuple(numbers.items())
    return OperationNode(kind, plain_call(kind, told), source, None, told)


def take_from(source: OperationNode, count: int) -> OperationNode:
    """The first items of what an operation gives. It has the call of that one, whose values its keys may name."""
    return OperationNode("take", source.call, source, None, (("n", count),))


def take_of(count: int) -> Operation:
    """The same between the links of a composite."""
    told = (("n", count),)
    return Operation("take", plain_call("take", told), None, told, None, ())
