"""Operators of a run: those of `daglite.operations`, bound to a step, and one that saves what goes through.

StreamOperation --make_operator--> Operator      fed in order, in the coordinator
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NoReturn

from daglite.exceptions import Failure
from daglite.operations import spec_of
from daglite.operations.operator import Operator, OperatorInputs
from daglite.program import StreamOperation
from daglite.runtime.kernel.errors import attempts_of, raise_with_failure, short_repr


def make_operator(operation: StreamOperation, task: Callable[..., object] | None, operand: object = None) -> Operator:
    """Return a new operator; `task` is the bound task of the operation, `operand` the value that it reads besides."""
    function, number = operation.step.function, operation.step.number

    def fail(error: BaseException, item: object, index: int, *, by_task: bool = False) -> NoReturn:
        attempt = attempts_of(function, error) if by_task else 1
        raise_with_failure(error, Failure(function.name, number, index, short_repr(item), attempt))

    inputs = OperatorInputs(dict(operation.numbers), task, function.name, operand, fail)
    return spec_of(operation.kind).operator(inputs)


class SavingOperator(Operator):
    """Saves each item before it goes on, numbered from 0."""

    def __init__(self, saver: Callable[[int, object], None]) -> None:
        self._saver = saver
        self._count = 0

    def feed(self, item: object) -> Iterable[object]:
        self._saver(self._count, item)
        self._count += 1
        return (item,)
