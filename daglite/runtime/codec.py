"""How items cross to workers: as cells, and cells packed as whatever the engine of a run carries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

__all__ = ["ItemCodec", "Packed"]

# Cells on their way. What it holds is known to the codec that packed it and to the engine it belongs to.
Packed: TypeAlias = Sequence[Any]


class ItemCodec(Protocol):
    """Makes cells of items and items of cells. The loop asks it, and never looks at what is packed.

    `wire.Codec` is the one for engines whose workers share nothing with the coordinator.
    """

    def capture(self, item: object) -> object:
        """The item as a cell; raises `TransferError` when it cannot cross."""
        ...

    def keep(self, value: object) -> object:
        """The value as a cell that no later change of the value touches; raises `TransferError`."""
        ...

    def restore(self, cell: object) -> object:
        """The item of a cell, as if it had crossed; `Unloadable` when it cannot be loaded."""
        ...

    def size(self, cell: object) -> int:
        """About how many bytes the cell takes."""
        ...

    def weigh(self, cells: Sequence[object]) -> int:
        """About how many bytes all of them take."""
        ...

    def pack(self, cells: Sequence[object]) -> Packed:
        """The cells of a batch as the engine carries them."""
        ...

    def unpack(self, segments: Packed) -> list[object]:
        """The items of a batch, with `Unloadable` in the place of each that could not be loaded."""
        ...

    def measure(self, segments: Packed) -> int:
        """About how many bytes a packed batch takes."""
        ...
