"""Copies made in this process where workers would have made them: of items when they are yielded, of results when they
are returned. So a stream gives the same values wherever it runs.
"""

from __future__ import annotations

from typing import Any

from daglite.exceptions import Failure, TransferError
from daglite.runtime.dataflow.source import Source
from daglite.runtime.kernel.batch import unloadable_result, unsendable_result
from daglite.runtime.kernel.bound_step import BoundStep
from daglite.runtime.kernel.errors import raise_with_failure
from daglite.runtime.serialization.batch_format import SCALARS, SerializedItem, Unloadable
from daglite.runtime.serialization.pickler import Codec
from daglite.runtime.transport.buffer_pool import BufferPool
from daglite.runtime.transport.shared_memory import Arena

# Larger containers are pickled: their bytes count when a move to workers is considered.
_MOST_ITEMS = 1024


class _Never:
    """No value is of this type."""


def small_copy(value: Any) -> object | None:
    """Copy a small built-in container of plain values, as pickling would but in a tenth of the time.

    A tuple or frozenset is returned itself, as it cannot change. Returns None for every other value.
    """
    kind = type(value)
    if kind is tuple or kind is frozenset:
        return value if len(value) <= _MOST_ITEMS and SCALARS.issuperset(map(type, value)) else None
    if kind is list or kind is set:
        return value.copy() if len(value) <= _MOST_ITEMS and SCALARS.issuperset(map(type, value)) else None
    if kind is dict and len(value) <= _MOST_ITEMS:
        plain = SCALARS.issuperset(map(type, value)) and SCALARS.issuperset(map(type, value.values()))
        return value.copy() if plain else None
    return None


class ItemCopies:
    """The copies that a local loop makes. Each method also returns the type of which values need no copy.

    `nbytes` counts what was pickled.
    """

    def __init__(self, codec: Codec, source: Source, last: BoundStep | None, *, fresh: bool = False) -> None:
        """`last` gives the results; None if they would stay with the workers, so that they are not copied.

        `fresh`: nothing else refers to the items.
        """
        self.nbytes = 0
        self._fresh = fresh
        self._codec = codec
        self._source = source
        self._last = last

    def item(self, index: int, item: object) -> tuple[type, object]:
        """Copy an item as it is when it is yielded: the generator may change it later."""
        if self._fresh or type(item) in SCALARS:
            return type(item), item
        small = small_copy(item)
        if small is not None:
            return _Never, small
        value = self._restore(self._source.serialized(item, index))
        if isinstance(value, Unloadable):
            self._source.refuse(index, value)
        return _Never, value

    def result(self, index: int, value: object) -> tuple[type, object]:
        """Copy a result as it is when it is returned: the task may change it later."""
        if type(value) in SCALARS or self._last is None:
            return type(value), value
        small = small_copy(value)
        if small is not None:
            return _Never, small
        return _Never, _checked(self._restore(_serialized(self._codec, value, self._last)), self._last)

    def _restore(self, serialized: object) -> object:
        if not isinstance(serialized, SerializedItem):
            return serialized
        self.nbytes += serialized.nbytes
        return self._codec.deserialize_in_place(serialized)


def copied_result(codec: Codec, value: object, step: BoundStep) -> object:
    """Copy the value of a single call; raises `TransferError` if a worker could not send it back."""
    try:
        return _checked(codec.deserialize(_serialized(codec, value, step)), step)
    except TransferError as error:
        raise_with_failure(error, Failure(step.function.name, step.number))


def _serialized(codec: Codec, value: object, step: BoundStep) -> object:
    try:
        return codec.serialize(value)
    except TransferError as error:
        raise unsendable_result(step, error) from None


def _checked(value: object, step: BoundStep) -> object:
    if isinstance(value, Unloadable):
        raise unloadable_result(step, value)
    return value


class LocalArena(Arena):
    """Memory for large buffers that stay in this process: a copy reuses the memory of the last one of its size."""

    def __init__(self) -> None:
        super().__init__()
        self._buffers = BufferPool()

    def put(self, raw: memoryview) -> memoryview:
        """Return a copy of a buffer, which may be written to."""
        return self._buffers.copy(raw)

    def close(self) -> None:
        self._buffers.clear()
