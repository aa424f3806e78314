"""Make definitions: what a token means, for endpoints that do not know it yet.

A definition holds one class or function and all others that it needs and that have no token yet. It first makes all of
them empty (skeletons), then fills them (contents), because they may refer to each other.
"""

from __future__ import annotations

import enum
import io
import pickle
from collections.abc import Callable
from typing import Any

from daglite.runtime.serialization.batch_format import PROTOCOL
from daglite.runtime.serialization.by_value import (
    LOCKS,
    ByValueReducer,
    behaviour_of,
    reduce_member,
    skeleton_of,
    state_of,
)
from daglite.runtime.serialization.registry import Registry, Thing

_MAX_ATTEMPTS = 8


class Definition:
    """A definition that is being made."""

    def __init__(self, registry: Registry, new_pickler: Callable[[Definition], Any]) -> None:
        self.registry = registry
        self.things: list[tuple[str, Thing]] = []
        self._new_pickler = new_pickler
        self._tokens: dict[int, str] = {}
        self._skeletons: list[tuple[str, bytes]] = []

    def token_of(self, thing: Thing) -> str:
        """Return the token of a class or function; add it to the definition if it is new."""
        token = self._tokens.get(id(thing))
        if token is None:
            token = self._tokens[id(thing)] = self.registry.token()
            # This adds the bases of a class, so they precede it in the list.
            skeleton = self._new_pickler(self).pickled(skeleton_of(self.registry, thing))
            self._skeletons.append((token, skeleton))
            self.things.append((token, thing))
        return token

    def pickled(self, thing: Thing) -> bytes:
        """Return the definition of a class or function as bytes."""
        self.token_of(thing)
        # The contents are pickled again when they added something, so that the methods of every class come before any
        # instance.
        for _ in range(_MAX_ATTEMPTS):
            count = len(self.things)
            contents = self._contents()
            if len(self.things) == count:
                return pickle.dumps((self._skeletons, contents), PROTOCOL)
        raise pickle.PicklingError("pickling it makes new classes or functions each time")

    def _contents(self) -> bytes:
        pickler, contents = self._new_pickler(self), b""
        for _, thing in self.things:
            if isinstance(thing, type):
                contents = pickler.pickled((thing, behaviour_of(thing)))
        for _, thing in self.things:
            contents = pickler.pickled((thing, state_of(self.registry, thing)))
        return contents

    def defines(self, kind: type) -> bool:
        """Return whether a class is part of this definition."""
        return id(kind) in self._tokens


class DefinitionReducer(ByValueReducer):
    """Reduce the contents of a definition: enum members and locks as well as functions and classes."""

    def __init__(self, definition: Definition) -> None:
        self.registry, self.token_of = definition.registry, definition.token_of
        self._definition = definition

    def reducer_override(self, obj: Any, /) -> Any:
        kind = type(obj)
        if issubclass(kind, enum.Enum) and self._definition.defines(kind):
            return reduce_member(obj)
        if kind in LOCKS:
            return LOCKS[kind], ()
        return super().reducer_override(obj)


class FastDefinitionPickler(DefinitionReducer, pickle.Pickler):
    """C pickle for definitions; it raises where dill is needed."""

    def __init__(self, definition: Definition) -> None:
        DefinitionReducer.__init__(self, definition)
        self._out = io.BytesIO()
        pickle.Pickler.__init__(self, self._out, PROTOCOL)

    def pickled(self, value: object) -> bytes:
        """Pickle a value; return all bytes so far, because later values share objects with earlier ones."""
        self.dump(value)
        return self._out.getvalue()

    def reducer_override(self, obj: Any, /) -> Any:
        kind = type(obj)
        # C pickle would pickle what a `super` refers to instead, and lose the identity of the marks of `dataclasses`.
        if kind is super or kind.__module__ == "dataclasses":
            raise pickle.PicklingError(f"a '{kind.__qualname__}' needs dill")
        return super().reducer_override(obj)
