"""Whether two values are the same, for values of which nothing is known."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from daglite.exceptions import TransferError
from daglite.runtime.serialization.pickler import Codec


class Comparison:
    """Compares values as `same` says; without it by `==`, or, where that does not say yes, by what they pickle to.

    The latter is what makes NaN the same as NaN, and compares arrays and objects of classes without `==`.
    """

    def __init__(self, same: Callable[[Any, Any], bool] | None) -> None:
        self._same = same
        self._codec = Codec("testing")

    def alike(self, one: object, other: object) -> bool:
        if self._same is not None:
            return bool(self._same(one, other))
        if self.equal(one, other):
            return True
        with contextlib.suppress(TransferError):
            return self.packed(one) == self.packed(other)
        return False

    @staticmethod
    def equal(one: object, other: object) -> bool:
        """Whether `==` says yes."""
        with contextlib.suppress(Exception):
            return (one == other) is True
        return False

    def packed(self, value: object) -> bytes:
        """What would go to a worker; raises `TransferError` for what cannot."""
        return self._codec.dumps(value)

    def unpacked(self, data: bytes) -> object:
        """What would arrive there; raises whatever loading it raises."""
        return self._codec.loads(data)
