"""Pickle by dill what C pickle cannot: the parts of classes and some types of the standard library.

`pickler` and `definitions` try C pickle first. This is the only module that imports dill.
"""

from __future__ import annotations

import dataclasses
import functools
import io
import pickle
import types
import weakref
from collections.abc import Callable
from typing import Any

import dill

from daglite.runtime.serialization.batch_format import PROTOCOL, keep_in_band
from daglite.runtime.serialization.by_value import ByValueReducer
from daglite.runtime.serialization.definitions import Definition, DefinitionReducer
from daglite.runtime.serialization.registry import Registry, Thing
from daglite.runtime.transport.frames import Segment
from daglite.runtime.transport.shared_memory import Arena

# The import of dill also changes the dispatch table of the pickler of the standard library: these are the old entries.
_STOCK = {kind: save for kind, save in pickle._Pickler.dispatch.items() if save.__module__ == "pickle"}
_STOCK |= {dict: vars(pickle._Pickler)["save_dict"], type: vars(pickle._Pickler)["save_type"]}
_STOCK |= {types.FunctionType: vars(pickle._Pickler)["save_global"]}
# Of dill, only the entries for the parts of classes are used. Others pickle what belongs to one process (locks, open
# files, raw pointers), or expect the same `__main__` on both sides.
_BY_DILL = (
    *(property, classmethod, staticmethod, super, weakref.ReferenceType),
    *(types.MappingProxyType, types.MethodDescriptorType, types.WrapperDescriptorType),
    *(types.MemberDescriptorType, types.GetSetDescriptorType, types.ClassMethodDescriptorType),
    *(type({}.keys()), type({}.values()), type({}.items())),
    # The marks of `dataclasses` are compared by identity.
    *(type(dataclasses.MISSING), type(dataclasses.KW_ONLY)),
    *(vars(dataclasses)[name] for name in ("_FIELD_BASE", "_HAS_DEFAULT_FACTORY_CLASS")),
)


class DillPickler(ByValueReducer, dill.Pickler):
    """dill, restricted to the types in `_BY_DILL`, and to those of the standard library."""

    dispatch = _STOCK | {kind: dill.Pickler.dispatch[kind] for kind in _BY_DILL}

    def __init__(
        self,
        registry: Registry,
        token_of: Callable[[Thing], str],
        buffers: list[Segment] | None = None,
        arena: Arena | None = None,
    ) -> None:
        self.registry, self.token_of = registry, token_of
        self._out = io.BytesIO()
        super().__init__(self._out, PROTOCOL, buffer_callback=functools.partial(keep_in_band, buffers, arena=arena))

    def pickled(self, value: object) -> bytes:
        """Pickle a value; return all bytes so far, because later values share objects with earlier ones."""
        self.dump(value)
        return self._out.getvalue()

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        # Not the method of dill, which would copy the buffers of arrays.
        super(dill.Pickler, self).save(obj, save_persistent_id)  # type: ignore[misc]


class DillDefinitionPickler(DefinitionReducer, DillPickler):
    """dill for definitions."""

    def __init__(self, definition: Definition) -> None:
        DillPickler.__init__(self, definition.registry, definition.token_of)
        DefinitionReducer.__init__(self, definition)
