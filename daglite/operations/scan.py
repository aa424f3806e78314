"""scan: a running fold, with every accumulator as an output."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate, islice
from typing import TypeVar

from daglite.exceptions import ExecutionError, ParameterError
from daglite.operations.operator import CountingOperator, OperatorInputs
from daglite.operations.spec import OperatorSpec

A = TypeVar("A")
T = TypeVar("T")

# Objects of these types never change, so they need no copy.
_CONSTANTS = frozenset({int, float, str, bytes, bool, complex, type(None)})


def scan(items: Iterable[T], task: Callable[[A, T], A], initial: A) -> Iterator[A]:
    """Yield the accumulator after each item; `initial` is the accumulator before the first."""
    return map(copy.deepcopy, islice(accumulate(items, task, initial=copy.deepcopy(initial)), 1, None))


class ScanOperator(CountingOperator):
    """Keeps the accumulator, and hands on a deep copy of it for each item.

    The task may change its accumulator in place; a batch of accumulators, or a list of all, is not affected by that.
    """

    def __init__(self, inputs: OperatorInputs) -> None:
        super().__init__(inputs)
        assert inputs.task is not None
        self._task = inputs.task
        self._name = inputs.task_name
        try:
            self._accumulator = copy.deepcopy(inputs.operand)
        except Exception as error:
            raise ParameterError(
                f"`initial` of `scan` with task '{self._name}' cannot be copied: {inputs.operand!r}: {error}"
            ) from error

    def feed(self, item: object) -> Iterable[object]:
        self._count += 1
        try:
            self._accumulator = accumulator = self._task(self._accumulator, item)
        except BaseException as error:
            self._report(error, item, self._count - 1, by_task=True)
        return (accumulator if type(accumulator) in _CONSTANTS else self._copied(item),)

    def _copied(self, item: object) -> object:
        try:
            return copy.deepcopy(self._accumulator)
        except Exception as error:
            text = (
                f"`scan` copies each accumulator, and one that task '{self._name}' returned cannot be copied: {error}; "
                "return values that can"
            )
            self._fail(ExecutionError(text), item)


SPEC = OperatorSpec(
    meaning=scan,
    operator=ScanOperator,
    output=lambda types: types.result,
    keeps=lambda: "keeps an accumulator",
    demand=lambda count: count,
    operand="initial",
    draws=("fold", "initial"),
    forwards=True,
)
