"""Copies made in this process of what workers would have copied: items when they are yielded, results when returned."""

from __future__ import annotations

from daglite.exceptions import Failure, TransferError
from daglite.runtime.cells import SCALARS, Captured, Unloadable
from daglite.runtime.chain import BoundStep
from daglite.runtime.codec import ItemCodec
from daglite.runtime.failures import raise_blamed
from daglite.runtime.source import Source

__all__ = ["Copies", "copied_result"]


class _Never:
    """No value is of this type."""


class Copies:
    """The two copies of a flat loop that `copies`; each tells of which type a value need not be copied.

    `nbytes` counts what could not be passed on as it was.
    """

    def __init__(self, codec: ItemCodec, source: Source, last: BoundStep) -> None:
        self.nbytes = 0
        self._codec = codec
        self._source = source
        self._last = last

    def item(self, index: int, item: object) -> tuple[type, object]:
        """The item as it was when it was yielded, whatever the generator does with its buffer afterwards."""
        if type(item) in SCALARS:
            return type(item), item
        value = self._restored(self._source.captured(item, index))
        if isinstance(value, Unloadable):
            name = self._source.name
            error = TransferError(f"item {index} of task '{name}' cannot be loaded: {value.reason}")
            raise_blamed(error, Failure(name, self._source.number, index))
        return _Never, value

    def result(self, index: int, value: object) -> tuple[type, object]:
        """The result as it was when it was returned, whatever the task does with it afterwards."""
        if type(value) in SCALARS:
            return type(value), value
        return _Never, _loaded(self._restored(_captured(self._codec, value, self._last)), self._last)

    def _restored(self, cell: object) -> object:
        if isinstance(cell, Captured):
            self.nbytes += cell.nbytes
        return self._codec.restore(cell)


def copied_result(codec: ItemCodec, value: object, step: BoundStep) -> object:
    """The value of a step as it would have come back; raises `TransferError` when it could not."""
    return _loaded(codec.restore(_captured(codec, value, step)), step)


def _captured(codec: ItemCodec, value: object, step: BoundStep) -> object:
    try:
        return codec.capture(value)
    except TransferError as error:
        raise TransferError(f"the result of task '{step.function.name}' cannot be sent back: {error}") from None


def _loaded(value: object, step: BoundStep) -> object:
    if isinstance(value, Unloadable):
        name = step.function.name
        raise TransferError(f"a result of task '{name}' cannot be loaded in the coordinator: {value.reason}")
    return value
