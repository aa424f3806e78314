"""group_by: neighbours with the same key, as a list with that key."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from daglite.exceptions import ExecutionError
from daglite.operations.operator import OperatorInputs, TaskOperator
from daglite.operations.spec import OperatorSpec, list_of, tuple_of
from daglite.short_repr import shorten

T = TypeVar("T")
K = TypeVar("K")


def group_by(items: Iterable[T], key: Callable[[T], K]) -> Iterator[tuple[K, list[T]]]:
    """Yield neighbours with the same key as a list, with the key before it."""
    for found, group in itertools.groupby(items, key):
        yield found, list(group)


class GroupByOperator(TaskOperator):
    """Keeps the group that is not complete yet."""

    def __init__(self, inputs: OperatorInputs) -> None:
        super().__init__(inputs)
        self._limit = inputs.numbers.get("limit")
        self._key: object = None
        self._group: list[object] = []

    def feed(self, item: object) -> Iterable[object]:
        key = self._call(item)
        if self._group and self._continues(key, item):
            if len(self._group) == self._limit:
                text = (
                    f"a group of `group_by` has more than {self._limit} items, its `limit`: that of the key "
                    f"{shorten(self._key)}; give it a larger one"
                )
                self._fail(ExecutionError(text), item)
            self._group.append(item)
            return ()
        complete = self.finish()
        self._key, self._group = key, [item]
        return complete

    def finish(self) -> Iterable[object]:
        group, self._group = self._group, []
        return ((self._key, group),) if group else ()

    def _continues(self, key: object, item: object) -> bool:
        try:
            return key is self._key or bool(key == self._key)
        except BaseException as error:
            # The `__eq__` of a user's class, or an array, which is neither true nor false.
            self._fail(error, item)


SPEC = OperatorSpec(
    meaning=group_by,
    operator=GroupByOperator,
    output=lambda types: tuple_of(types.result, list_of(types.item)),
    keeps=lambda limit=None: "keeps a group, not bounded" if limit is None else f"keeps <= {limit:_}",
    draws=("predicate",),
)
