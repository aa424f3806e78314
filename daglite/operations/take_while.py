"""take_while: the items before the first that a task rejects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import takewhile
from typing import TypeVar

from daglite.operations.operator import StoppingOperator, TaskOperator
from daglite.operations.spec import OperatorSpec

T = TypeVar("T")


def take_while(items: Iterable[T], task: Callable[[T], object]) -> Iterator[T]:
    """Yield the items before the first for which the task returns something false."""
    return takewhile(task, items)


class TakeWhileOperator(TaskOperator, StoppingOperator):
    """Asks its task about each item until it rejects one."""

    def feed(self, item: object) -> Iterable[object]:
        if self.done:
            return ()
        if self._call(item):
            return (item,)
        self.done = True
        return ()


SPEC = OperatorSpec(
    meaning=take_while,
    operator=TakeWhileOperator,
    output=lambda types: types.item,
    draws=("predicate",),
    forwards=True,
)
