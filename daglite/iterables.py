"""What `from_iterable` reads: values that are there already, each run anew, or an iterator, once."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from types import GeneratorType
from typing import NoReturn

from daglite.exceptions import ParameterError


class SinglePass:
    """An iterator that says clearly that it can be read once only."""

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
    """The iterator, to be read by one run."""
    return SinglePass(items)


def each_of(items: Iterable[object]) -> Iterator[object]:
    """The items one by one. A generator is closed with it; a file of the user's stays open."""
    left = iter(items)
    # `yield from` closes what has a `close`, unless something stands between.
    yield from left if isinstance(left, GeneratorType) else map(_itself, left)


def _itself(item: object) -> object:
    return item


def _named(items: object) -> str:
    name = getattr(items, "__qualname__", None)
    kind = type(items).__name__
    return f"a {kind}" if name is None else f"the {kind} '{name}'"
