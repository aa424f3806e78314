"""How items cross to workers: as cells, and cells packed as whatever the engine of a run carries."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

from daglite.runtime.serialization.batch_format import SCALARS, SerializedItem, first_unloadable
from daglite.runtime.serialization.pickler import Codec

_UNKNOWN_SIZE = 64

# Cells on their way. What it holds is known to the codec that packed it and to the engine it belongs to.
Packed: TypeAlias = Sequence[Any]


def object_size(item: object) -> int:
    """About how many bytes an object takes: what it says of its data, else what Python says, both without looking into
    it. Right for arrays, also for those that are views of others, and for text.
    """
    try:
        nbytes = getattr(item, "nbytes", None)
        return nbytes if type(nbytes) is int else sys.getsizeof(item)
    except Exception:
        # The user's own `__getattr__` or `__sizeof__`.
        return _UNKNOWN_SIZE


class ItemCodec(Protocol):
    """Makes cells of items and items of cells. The loop asks it, and never looks at what is packed.

    `wire.Codec` is the one for workers that share nothing with the coordinator, `ReferenceCodec` for those that share all.
    """

    def serialize(self, item: object) -> object:
        """The item as a cell; raises `TransferError` when it cannot cross."""
        ...

    def snapshot(self, value: object) -> object:
        """The value as a cell that no later change of the value touches; raises `TransferError`."""
        ...

    def deserialize(self, cell: object) -> object:
        """The item of a cell, as if it had crossed; `Unloadable` when it cannot be loaded."""
        ...

    def size_of(self, cell: object) -> int:
        """About how many bytes the cell takes."""
        ...

    def total_size(self, cells: Sequence[object]) -> int:
        """About how many bytes all of them take."""
        ...

    def pack(self, cells: Sequence[object], *, plain: bool = False) -> Packed:
        """The cells of a batch as the engine carries them; `plain`: they are known to be a list of plain values."""
        ...

    def unpack(self, segments: Packed) -> tuple[list[object], int | None]:
        """The items of a batch and the place of the first that could not be loaded, where an `Unloadable` stands."""
        ...

    def payload_size(self, segments: Packed) -> int:
        """About how many bytes a packed batch takes."""
        ...


class ReferenceCodec:
    """For workers of this process: cells are the items themselves, and a batch is their list."""

    def __init__(self) -> None:
        # Makes the copies of `snapshot`.
        self._copies = Codec("c")

    def serialize(self, item: object) -> object:
        """The item itself: whoever changes it changes it for all."""
        return item

    def snapshot(self, value: object) -> object:
        """A pickled copy: it is saved later, and must be what it is now."""
        return self._copies.serialize(value)

    def deserialize(self, cell: object) -> object:
        """The item; the copy of one that was kept."""
        return self._copies.deserialize(cell)

    def size_of(self, cell: object) -> int:
        """What was kept, as bytes; of everything else see `object_size`."""
        return cell.nbytes if type(cell) is SerializedItem else object_size(cell)

    def total_size(self, cells: Sequence[object]) -> int:
        """The sizes of all of them."""
        # The same for values that say nothing of their data, which most batches hold.
        simple = set(map(type, cells)) <= SCALARS
        return sum(map(sys.getsizeof if simple else self.size_of, cells))

    def pack(self, cells: Sequence[object], *, plain: bool = False) -> list[object]:
        """The cells in a list of its own: its worker may cut it short."""
        return list(cells)

    def unpack(self, segments: Packed) -> tuple[list[object], int | None]:
        """The items of the list."""
        if SerializedItem not in set(map(type, segments)):
            return list(segments), None
        items = [self._copies.deserialize(cell) for cell in segments]
        return items, first_unloadable(items)

    def payload_size(self, segments: Packed) -> int:
        """The sizes of all of them."""
        return self.total_size(segments)


class CopyingCodec(ReferenceCodec):
    """For workers of this process that must not see what becomes of an item: cells are pickled all the same."""

    def serialize(self, item: object) -> object:
        """As it was when it was yielded or returned."""
        return self.snapshot(item)
