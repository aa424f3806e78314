"""Values as bytes between the coordinator and its workers. The only file that imports dill.

    int, str, None ...     wait as they are and go in one pickle with their batch
    any other item         is pickled the moment it is yielded or returned: `Captured`
    large buffers          lie beside their pickle as segments of their own, copied once and no more
    classes, functions     of importable modules go by name, others by token (see `registry`)

The other side learns what a token means from a *definition*, which is sent once, ahead of the first cell that needs
it. A definition first makes all its classes and functions empty, then fills them, because they may refer to each
other. Workers and coordinator do the same, under every start method: what is of `__main__` never goes by name.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import io
import pickle
import signal
import struct
import threading
import types
import weakref
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple, cast

import dill

from daglite.exceptions import TransferError
from daglite.runtime.code import Reducer, behaviour_of, fill, reduce_member, skeleton_of, state_of
from daglite.runtime.frames import Segment
from daglite.runtime.registry import Registry, Thing, active

__all__ = ["SCALARS", "Captured", "Codec", "Unloadable", "is_interrupt"]

SCALARS: frozenset[type] = frozenset({int, float, str, bytes, bool, type(None)})

_PROTOCOL = 5
# From here on a copy costs more than one more segment.
_LARGE = 64 * 1024
# The first byte of a batch whose cells are framed one by one; a pickle begins with 0x80.
_FRAMED = b"\0"
# In the place of a number of buffers: not a pickle, but the very bytes of a large `bytes`.
_RAW = -1
# What C pickle says when it does not know a type; dill may.
_UNKNOWN_TYPE = (TypeError, AttributeError, pickle.PicklingError)


class Captured:
    """One item, pickled when it was yielded or returned; what happens to the object afterwards does not touch it."""

    __slots__ = ("buffers", "data", "nbytes")

    def __init__(self, data: bytes, buffers: list[bytes]) -> None:
        self.data = data
        self.buffers = buffers
        self.nbytes = len(data) + sum(map(len, buffers)) if buffers else len(data)


class Unloadable(NamedTuple):
    """Stands in the place of an item that could not be loaded."""

    reason: str


class _Parts(list[bytes]):
    """A file that keeps what is written to it; quicker than `io.BytesIO`, which copies."""

    write = list.append

    def take(self) -> bytes:
        """All of it; nothing is left. A `bytearray` among the parts is still the user's own, so it is copied."""
        data = self[0] if len(self) == 1 else b"".join(self)
        self.clear()
        return data


class _Quick(Reducer, pickle.Pickler):
    """C pickle for everything that it can do; kept and used again, because making one costs as much as a small item."""

    def __init__(self, registry: Registry, token_of: Callable[[Thing], str]) -> None:
        self.registry, self.token_of = registry, token_of
        self._parts = _Parts()
        self._buffers: list[bytes] | None = None
        super().__init__(cast("io.BytesIO", self._parts), _PROTOCOL, buffer_callback=self._keep_in_band)

    def pickled(self, value: object, buffers: list[bytes] | None) -> bytes:
        """The pickle of a value; large buffers go to `buffers` if there is such a list."""
        self._buffers = buffers
        self.dump(value)
        # The memo holds every object of the item.
        self.clear_memo()
        return self._parts.take()

    def _keep_in_band(self, buffer: pickle.PickleBuffer) -> bool:
        return _keep_in_band(self._buffers, buffer)


class _Thorough(Reducer, dill.Pickler):
    """dill, for what C pickle cannot do: the building blocks of classes and the odd types of the standard library.

    Of dill's own ways we take those for such types alone. The others carry what should not travel (locks, open files,
    raw pointers), or trust that `__main__` is the same on both sides.
    """

    dispatch = pickle._Pickler.dispatch | {
        kind: dill.Pickler.dispatch[kind]
        for kind in (
            *(property, classmethod, staticmethod, super, weakref.ReferenceType),
            *(types.MappingProxyType, types.MethodDescriptorType, types.WrapperDescriptorType),
            *(types.MemberDescriptorType, types.GetSetDescriptorType, types.ClassMethodDescriptorType),
            *(type({}.keys()), type({}.values()), type({}.items())),
            # The marks of `dataclasses` are compared by identity.
            *(type(dataclasses.MISSING), type(dataclasses.KW_ONLY)),
            *(vars(dataclasses)[name] for name in ("_FIELD_BASE", "_HAS_DEFAULT_FACTORY_CLASS")),
        )
    }

    def __init__(
        self, registry: Registry, token_of: Callable[[Thing], str], buffers: list[bytes] | None = None
    ) -> None:
        self.registry, self.token_of = registry, token_of
        self._out = io.BytesIO()
        super().__init__(self._out, _PROTOCOL, buffer_callback=functools.partial(_keep_in_band, buffers))

    def pickled(self, value: object) -> bytes:
        """All that was pickled so far: later values share objects with earlier ones."""
        self.dump(value)
        return self._out.getvalue()

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        # Past dill, which would copy the buffers of arrays.
        pickle._Pickler.save(self, obj, save_persistent_id)  # type: ignore[call-arg]


class _Draft:
    """A definition in the making: one thing, and every other it leads to that has no token yet."""

    def __init__(self, registry: Registry) -> None:
        self.things: dict[str, Thing] = {}
        self._registry = registry
        self._tokens: dict[int, str] = {}
        self._skeletons: list[bytes] = []

    def token_of(self, thing: Thing) -> str:
        token = self._tokens.get(id(thing))
        if token is None:
            token = self._tokens[id(thing)] = self._registry.token()
            # Bases come up while a class is pickled, and so stand before it in the list.
            skeleton = _Thorough(self._registry, self.token_of).pickled(skeleton_of(self._registry, thing))
            self._skeletons.append(skeleton)
            self._order.append(token)
            self.things[token] = thing
        return token
