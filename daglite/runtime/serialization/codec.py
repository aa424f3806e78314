"""Choose how items reach workers: serialized (`Codec`), or as themselves for workers of this process."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, TypeAlias

from daglite.runtime.serialization.batch_format import SCALARS, SerializedItem, first_unloadable
from daglite.runtime.serialization.pickler import Codec

_UNKNOWN_SIZE = 64

# A packed batch: only the codec that packed it and its engine know what it holds.
Packed: TypeAlias = Sequence[Any]


def object_size(item: object) -> int:
    """Return about how many bytes an object takes: its `nbytes`, else what Python says, without looking into it.

    This is right for text and for arrays, also for those that are views of others.
    """
    try:
        nbytes = getattr(item, "nbytes", None)
        return nbytes if type(nbytes) is int else sys.getsizeof(item)
    except Exception:
        # The user's own `__getattr__` or `__sizeof__`.
        return _UNKNOWN_SIZE


class ReferenceCodec:
    """A codec for workers of this process: an item is its own serialized form, and a batch is a list of items."""

    def __init__(self) -> None:
        self._pickling = Codec("c")

    def serialize(self, item: object) -> object:
        """Return the item itself: a change to it is seen everywhere."""
        return item

    def snapshot(self, value: object) -> object:
        """Return a pickled copy of a value that is saved later as it is now."""
        return self._pickling.serialize(value)

    def deserialize(self, item: object) -> object:
        """Return the item, or a copy of one of which a snapshot was taken."""
        return self._pickling.deserialize(item)

    def size_of(self, item: object) -> int:
        """Return the bytes of a snapshot, else the `object_size`."""
        return item.nbytes if type(item) is SerializedItem else object_size(item)

    def total_size(self, items: Sequence[object]) -> int:
        """Return the sum of the sizes."""
        # Scalars have no `nbytes`; most batches hold nothing else.
        simple = set(map(type, items)) <= SCALARS
        return sum(map(sys.getsizeof if simple else self.size_of, items))

    def pack(self, items: Sequence[object], *, plain: bool = False) -> list[object]:
        """Return a new list of the items: a worker may cut it short."""
        return list(items)

    def unpack(self, payload: Packed) -> tuple[list[object], int | None]:
        """Return the items, and the position of the first that could not be loaded."""
        if SerializedItem not in set(map(type, payload)):
            return list(payload), None
        items = [self._pickling.deserialize(item) for item in payload]
        return items, first_unloadable(items)

    def payload_size(self, payload: Packed) -> int:
        """Return the sum of the sizes."""
        return self.total_size(payload)


class CopyingCodec(ReferenceCodec):
    """A codec for workers of this process that pickles items, so that they do not share objects with it."""

    def serialize(self, item: object) -> object:
        """Return the item as it is now, pickled."""
        return self.snapshot(item)


ItemCodec: TypeAlias = Codec | ReferenceCodec
