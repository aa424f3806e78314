"""unbatch: what each item holds, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TypeVar

from daglite.operations.operator import CountingOperator
from daglite.operations.spec import OperatorSpec
from daglite.short_repr import shorten

T = TypeVar("T")


def unbatch(items: Iterable[Iterable[T]]) -> Iterator[T]:
    """Yield what each item holds, one after the other."""
    return chain.from_iterable(items)


class UnbatchOperator(CountingOperator):
    """Takes each item apart."""

    def feed(self, item: object) -> Iterable[object]:
        self._count += 1
        if type(item) is list or type(item) is tuple:
            return item
        if not isinstance(item, Iterable):
            text = f"`unbatch` needs items that hold others, as lists do; item {self._count - 1} is {shorten(item)}"
            self._fail(TypeError(text), item)
        return self._held(item)

    def _held(self, item: Iterable[object]) -> Iterator[object]:
        """Yield what a container holds; a container of the user's may fail in the middle."""
        left = iter(item)
        while True:
            try:
                held = next(left)
            except StopIteration:
                return
            except BaseException as error:
                self._fail(error, item)
            yield held


SPEC = OperatorSpec(
    meaning=unbatch,
    operator=UnbatchOperator,
    output=lambda types: types.held(types.item),
    expands=True,
    any_order=True,
)
