"""Definitions in the making: what a token means, for the endpoint that has not heard of it (see `wire`)."""

from __future__ import annotations

import enum
import io
import pickle
from collections.abc import Callable
from typing import Any, Protocol

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

_MOST_DRAFTS = 8


class DefinitionPickler(Protocol):
    """Pickles what a definition is made of."""

    def pickled(self, value: object) -> bytes:
        """All that was pickled so far: later values share objects with earlier ones."""
        ...


class Definition:
    """A definition in the making: one thing, and every other it leads to that has no token yet."""

    def __init__(self, registry: Registry, drafting: Callable[[Definition], DefinitionPickler]) -> None:
        self.registry = registry
        self.things: list[tuple[str, Thing]] = []
        self._drafting = drafting
        self._tokens: dict[int, str] = {}
        self._skeletons: list[tuple[str, bytes]] = []

    def token_of(self, thing: Thing) -> str:
        token = self._tokens.get(id(thing))
        if token is None:
            token = self._tokens[id(thing)] = self.registry.token()
            # The bases turn up in here, and so stand before it in the list.
            skeleton = self._drafting(self).pickled(skeleton_of(self.registry, thing))
            self._skeletons.append((token, skeleton))
            self.things.append((token, thing))
        return token

    def pickled(self, thing: Thing) -> bytes:
        """The definition."""
        self.token_of(thing)
        # When more turns up on the way it is done again, so that every class can behave before any instance is made.
        for _ in range(_MOST_DRAFTS):
            count = len(self.things)
            contents = self._contents()
            if len(self.things) == count:
                return pickle.dumps((self._skeletons, contents), PROTOCOL)
        raise pickle.PicklingError("pickling it makes new classes or functions each time")

    def _contents(self) -> bytes:
        pickler, contents = self._drafting(self), b""
        for _, thing in self.things:
            if isinstance(thing, type):
                contents = pickler.pickled((thing, behaviour_of(thing)))
        for _, thing in self.things:
            contents = pickler.pickled((thing, state_of(self.registry, thing)))
        return contents

    def defines(self, kind: type) -> bool:
        return id(kind) in self._tokens


class DefinitionReducer(ByValueReducer):
    """What a pickler must be told about the contents of a definition."""

    def __init__(self, draft: Definition) -> None:
        self.registry, self.token_of = draft.registry, draft.token_of
        self._draft = draft

    def reducer_override(self, obj: Any, /) -> Any:
        kind = type(obj)
        if issubclass(kind, enum.Enum) and self._draft.defines(kind):
            return reduce_member(obj)
        if kind in LOCKS:
            return LOCKS[kind], ()
        return super().reducer_override(obj)


class FastDefinitionPickler(DefinitionReducer, pickle.Pickler):
    """C pickle; it raises where dill is needed."""

    def __init__(self, draft: Definition) -> None:
        DefinitionReducer.__init__(self, draft)
        self._out = io.BytesIO()
        pickle.Pickler.__init__(self, self._out, PROTOCOL)

    def pickled(self, value: object) -> bytes:
        self.dump(value)
        return self._out.getvalue()

    def reducer_override(self, obj: Any, /) -> Any:
        kind = type(obj)
        # It would take what `super()` stands for in its place, and lose the identity of the marks of `dataclasses`.
        if kind is super or kind.__module__ == "dataclasses":
            raise pickle.PicklingError(f"a '{kind.__qualname__}' needs dill")
        return super().reducer_override(obj)
