"""Copies made in this process of what workers would have copied: items when they are yielded, results when returned."""

from __future__ import annotations

from typing import Any

from daglite.exceptions import Failure, TransferError
from daglite.runtime.dataflow.source import Source
from daglite.runtime.kernel.bound_step import BoundStep
from daglite.runtime.kernel.errors import raise_with_failure
from daglite.runtime.serialization.batch_format import SCALARS, SerializedItem, Unloadable
from daglite.runtime.serialization.pickler import Codec
from daglite.runtime.transport.buffer_pool import BufferPool
from daglite.runtime.transport.shared_memory import Arena

# Larger containers are pickled: their bytes count when a move is considered.
_FEW = 1024


class _Never:
    """No value is of this type."""


def small_copy(value: Any) -> object | None:
    """The copy of a small container of Python's own that holds plain values only, a tuple itself, as nothing can change
    it: what pickling it and loading it would give, in a tenth of the time. None for everything else.
    """
    kind = type(value)
    if kind is tuple or kind is frozenset:
        return value if len(value) <= _FEW and SCALARS.issuperset(map(type, value)) else None
    if kind is list or kind is set:
        return value.copy() if len(value) <= _FEW and SCALARS.issuperset(map(type, value)) else None
    if kind is dict and len(value) <= _FEW:
        plain = SCALARS.issuperset(map(type, value)) and SCALARS.issuperset(map(type, value.values()))
        return value.copy() if plain else None
    return None


class ItemCopies:
    """The two copies of a flat loop that `copies`; each tells of which type a value need not be copied.

    `nbytes` counts what could not be passed on as it was.
    """

    def __init__(self, codec: Codec, source: Source, last: BoundStep | None, *, fresh: bool = False) -> None:
        """`last` gives the results; None when they would not cross, so that they are what they are.

        `fresh`: nobody else has the items, nor what they hold.
        """
        self.nbytes = 0
        self._fresh = fresh
        self._codec = codec
        self._source = source
        self._last = last

    def item(self, index: int, item: object) -> tuple[type, object]:
        """The item as it was when it was yielded, whatever the generator does with its buffer afterwards."""
        if self._fresh or type(item) in SCALARS:
            return type(item), item
        small = small_copy(item)
        if small is not None:
            return _Never, small
        value = self._restored(self._source.serialized(item, index))
        if isinstance(value, Unloadable):
            name = self._source.name
            error = TransferError(f"item {index} of task '{name}' cannot be loaded: {value.reason}")
            raise_with_failure(error, Failure(name, self._source.number, index))
        return _Never, value

    def result(self, index: int, value: object) -> tuple[type, object]:
        """The result as it was when it was returned, whatever the task does with it afterwards."""
        if type(value) in SCALARS or self._last is None:
            return type(value), value
        small = small_copy(value)
        if small is not None:
            return _Never, small
        return _Never, _loaded(self._restored(_captured(self._codec, value, self._last)), self._last)

    def _restored(self, cell: object) -> object:
        if not isinstance(cell, SerializedItem):
            return cell
        self.nbytes += cell.nbytes
        return self._codec.deserialize_in_place(cell)


def copied_result(codec: Codec, value: object, step: BoundStep) -> object:
    """The value of a step as it would have come back; raises `TransferError` when it could not."""
    return _loaded(codec.deserialize(_captured(codec, value, step)), step)


def _captured(codec: Codec, value: object, step: BoundStep) -> object:
    try:
        return codec.serialize(value)
    except TransferError as error:
        raise TransferError(f"the result of task '{step.function.name}' cannot be sent back: {error}") from None


def _loaded(value: object, step: BoundStep) -> object:
    if isinstance(value, Unloadable):
        name = step.function.name
        raise TransferError(f"a result of task '{name}' cannot be loaded in the coordinator: {value.reason}")
    return value


class LocalArena(Arena):
    """For large buffers that stay in this process: one copy of a buffer, where the last one of its size was."""

    def __init__(self) -> None:
        super().__init__()
        self._spares = BufferPool()

    def put(self, raw: memoryview) -> memoryview:
        """A copy of a buffer, which may be written to."""
        return self._spares.copy(raw)

    def close(self) -> None:
        """Keep nothing."""
        self._spares.clear()
