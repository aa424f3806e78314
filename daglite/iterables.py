"""The source of `from_iterable`: an iterable that each run iterates, or an iterator that can be read once."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from types import GeneratorType
from typing import NoReturn

from daglite.exceptions import ParameterError


class SinglePass:
    """An iterator that raises a clear error when it is read a second time."""

    def __init__(self, items: Iterator[object]) -> None:
        self._items = items
        self._read = threading.Lock()

    def __iter__(self) -> Iterator[object]:
        if not self._read.acquire(blocking=False):
            raise ParameterError(
                f"`from_iterable` was given an iterator, {_named(self._items)}, which an earlier run has read; an "
                "iterator can be read once: give a list, or make it in a generator task and use `.iter`"
            )
        return self._items

    def __repr__(self) -> str:
        return f"<{_named(self._items)}, read once>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"a plan with `from_iterable` of an iterator, {_named(self._items)}, cannot be pickled: an iterator is "
            "read where it is; give a list, or make it in a generator task and use `.iter`"
        )

    def __deepcopy__(self, memo: object) -> SinglePass:
        return self


def once(items: Iterator[object]) -> SinglePass:
    """Wrap an iterator, which one run may read."""
    return SinglePass(items)


def each_of(items: Iterable[object]) -> Iterator[object]:
    """Yield the items. A generator is closed at the end; a file of the user stays open."""
    left = iter(items)
    # `yield from` closes an iterator that has a `close`; `map` hides it.
    yield from left if isinstance(left, GeneratorType) else map(_identity, left)


def _identity(item: object) -> object:
    return item


def _named(items: object) -> str:
    name = getattr(items, "__qualname__", None)
    kind = type(items).__name__
    return f"a {kind}" if name is None else f"the {kind} '{name}'"
