"""distinct: each item the first time that it, or its key, comes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from daglite.exceptions import ExecutionError
from daglite.operations.operator import OperatorInputs, TaskOperator
from daglite.operations.spec import OperatorSpec

T = TypeVar("T")


def distinct(items: Iterable[T], key: Callable[[T], object] | None = None) -> Iterator[T]:
    """Yield each item the first time that it, or its key, comes."""
    seen = set[object]()
    for item in items:
        found = item if key is None else key(item)
        if found not in seen:
            seen.add(found)
            yield item


class DistinctOperator(TaskOperator):
    """Keeps the keys that came in a set."""

    def __init__(self, inputs: OperatorInputs) -> None:
        super().__init__(inputs)
        self._limit = inputs.numbers["limit"]
        self._seen: set[object] = set()

    def feed(self, item: object) -> Iterable[object]:
        key = self._call(item)
        try:
            known = key in self._seen
        except TypeError as error:
            kept = "its items" if self._task is None else f"what task '{self._task_name}' returns"
            text = f"`distinct` keeps {kept} in a set, and this cannot be: {error}; give a `key` that can"
            self._fail(TypeError(text), item)
        if known:
            return ()
        if len(self._seen) == self._limit:
            text = f"`distinct` has seen {self._limit} different items, which is its `limit`; give it a larger one"
            self._fail(ExecutionError(text), item)
        self._seen.add(key)
        return (item,)


SPEC = OperatorSpec(
    meaning=distinct,
    operator=DistinctOperator,
    output=lambda types: types.item,
    keeps=lambda limit: f"keeps <= {limit:_}",
)
