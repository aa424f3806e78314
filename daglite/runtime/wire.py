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
import threading
import types
import weakref
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, cast

import dill

from daglite.exceptions import TransferError
from daglite.runtime.cells import (
    PROTOCOL,
    SCALARS,
    Captured,
    Unloadable,
    is_framed,
    is_interrupt,
    is_large,
    load_cell,
    pack_cells,
    text_of,
    unpack_cells,
    weigh_cells,
)
from daglite.runtime.code import LOCKS, Reducer, behaviour_of, fill, reduce_member, skeleton_of, state_of
from daglite.runtime.frames import Segment
from daglite.runtime.registry import Registry, Thing, active

__all__ = ["Captured", "Codec", "SCALARS", "Unloadable"]

_MOST_DRAFTS = 8
_MOST_KEPT = 4096
# What C pickle says when it does not know a type; dill may.
_UNKNOWN_TYPE = (TypeError, AttributeError, pickle.PicklingError)


class _Parts(list[bytes]):
    """A file that keeps what is written to it; quicker than `io.BytesIO`, which copies."""

    write = list.append

    def joined(self) -> bytes:
        """All of it; nothing is left. A `bytearray` among the parts is still the user's own, so it is copied."""
        data = b"".join(self)
        self.clear()
        return data


class _Quick(Reducer, pickle.Pickler):
    """C pickle for everything that it can do; kept and used again, because making one costs as much as a small item."""

    def __init__(self, registry: Registry, token_of: Callable[[Thing], str]) -> None:
        self.registry, self.token_of = registry, token_of
        self._parts = _Parts()
        self._buffers: list[bytes] | None = None
        super().__init__(cast("io.BytesIO", self._parts), PROTOCOL, buffer_callback=self._keep_in_band)

    def pickled(self, value: object, buffers: list[bytes] | None) -> bytes:
        """The pickle of a value; large buffers go to `buffers` if there is such a list."""
        self._buffers = buffers
        self.dump(value)
        # The memo holds every object of the item.
        self.clear_memo()
        return self._parts.pop() if len(self._parts) == 1 else self._parts.joined()

    def _keep_in_band(self, buffer: pickle.PickleBuffer) -> bool:
        return _keep_in_band(self._buffers, buffer)


# When dill is imported it puts its ways into the pickler of the standard library too: these are the old ones.
_STOCK = {kind: way for kind, way in pickle._Pickler.dispatch.items() if way.__module__ == "pickle"}
_STOCK |= {dict: vars(pickle._Pickler)["save_dict"], type: vars(pickle._Pickler)["save_type"]}
_STOCK |= {types.FunctionType: vars(pickle._Pickler)["save_global"]}
# Of dill's ways we take those for what classes are built of. Others carry what should not travel (locks, open files,
# raw pointers), or trust that `__main__` is the same on both sides.
_BY_DILL = (
    *(property, classmethod, staticmethod, super, weakref.ReferenceType),
    *(types.MappingProxyType, types.MethodDescriptorType, types.WrapperDescriptorType),
    *(types.MemberDescriptorType, types.GetSetDescriptorType, types.ClassMethodDescriptorType),
    *(type({}.keys()), type({}.values()), type({}.items())),
    # The marks of `dataclasses` are compared by identity.
    *(type(dataclasses.MISSING), type(dataclasses.KW_ONLY)),
    *(vars(dataclasses)[name] for name in ("_FIELD_BASE", "_HAS_DEFAULT_FACTORY_CLASS")),
)


class _Thorough(Reducer, dill.Pickler):
    """dill, for what C pickle cannot do: the building blocks of classes and the odd types of the standard library."""

    dispatch = _STOCK | {kind: dill.Pickler.dispatch[kind] for kind in _BY_DILL}

    def __init__(
        self, registry: Registry, token_of: Callable[[Thing], str], buffers: list[bytes] | None = None
    ) -> None:
        self.registry, self.token_of = registry, token_of
        self._out = io.BytesIO()
        super().__init__(self._out, PROTOCOL, buffer_callback=functools.partial(_keep_in_band, buffers))

    def pickled(self, value: object) -> bytes:
        """All that was pickled so far: later values share objects with earlier ones."""
        self.dump(value)
        return self._out.getvalue()

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        # Past dill, which would copy the buffers of arrays.
        super(dill.Pickler, self).save(obj, save_persistent_id)  # type: ignore[misc]


class _Draft:
    """A definition in the making: one thing, and every other it leads to that has no token yet."""

    def __init__(self, registry: Registry) -> None:
        self.things: list[tuple[str, Thing]] = []
        self._registry = registry
        self._tokens: dict[int, str] = {}
        self._skeletons: list[tuple[str, bytes]] = []

    def token_of(self, thing: Thing) -> str:
        token = self._tokens.get(id(thing))
        if token is None:
            token = self._tokens[id(thing)] = self._registry.token()
            # The bases turn up in here, and so stand before it in the list.
            skeleton = _Drafting(self).pickled(skeleton_of(self._registry, thing))
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
        pickler, contents = _Drafting(self), b""
        for _, thing in self.things:
            if isinstance(thing, type):
                contents = pickler.pickled((thing, behaviour_of(thing)))
        for _, thing in self.things:
            contents = pickler.pickled((thing, state_of(self._registry, thing)))
        return contents

    def defines(self, kind: type) -> bool:
        return id(kind) in self._tokens


class _Drafting(_Thorough):
    """Pickles what a definition is made of."""

    def __init__(self, draft: _Draft) -> None:
        super().__init__(draft._registry, draft.token_of)
        self._draft = draft

    def reducer_override(self, obj: Any, /) -> Any:
        kind = type(obj)
        if issubclass(kind, enum.Enum) and self._draft.defines(kind):
            return reduce_member(obj)
        if kind in LOCKS:
            return LOCKS[kind], ()
        return super().reducer_override(obj)


class Codec:
    """One endpoint: one for the coordinator of a run, one for each worker; any thread may use it.

    `owner` begins the tokens it hands out, so it must differ from that of every endpoint it will ever hear of.
    `definitions` only grows: it holds what this endpoint defined and what it learned, so that a coordinator passes
    the classes of one worker on to the others. What it knows it keeps until it is dropped.
    """

    def __init__(self, owner: str) -> None:
        self.definitions: list[bytes] = []
        self._registry = Registry(owner)
        # A draft may lead back here through the user's own pickling methods.
        self._lock = threading.RLock()
        self._idle: list[_Quick] = []

    def learn(self, definition: bytes) -> None:
        """Take in what another endpoint defined; harmless when known.

        Does not raise what building runs into: the cells that need it do not load here, and say why.
        """
        with self._lock:
            skeletons, contents = cast("tuple[list[tuple[str, bytes]], bytes]", pickle.loads(definition))
            registry = self._registry
            if any(token in registry.things or token in registry.broken for token, _ in skeletons):
                return
            # Even if it does not load here it may load elsewhere.
            self.definitions.append(definition)
            try:
                with active(registry):
                    _build(registry, skeletons, contents)
            except BaseException as error:
                if is_interrupt(error):
                    raise
                for token, _ in skeletons:
                    registry.withdraw(token, f"its class or function cannot be built here: {text_of(error)}")

    def dumps(self, value: object) -> bytes:
        """Pickle a value in one piece; raises `TransferError` saying what it is and why it cannot be."""
        return self._pickled(value, None)

    def loads(self, data: Segment) -> object:
        """The value of `dumps`; raises whatever loading it raises."""
        with active(self._registry):
            return pickle.loads(data)

    def capture(self, item: object) -> object:
        """The item as a cell: itself when it can neither change nor surprise, else `Captured`."""
        if type(item) in SCALARS:
            return item
        buffers: list[bytes] = []
        data = self._pickled(item, buffers)
        return Captured(data, buffers, len(data) + sum(map(len, buffers)) if buffers else len(data))

    def keep(self, value: object) -> object:
        """The same: what is pickled does not change any more."""
        return self.capture(value)

    def restore(self, cell: object) -> object:
        """The item of a cell, as if it had travelled; `Unloadable` when it cannot be loaded."""
        if not isinstance(cell, Captured):
            return cell
        with active(self._registry):
            # Each time buffers of its own, which it may write to.
            return load_cell(cell.data, map(bytearray, cell.buffers))

    def size(self, cell: object) -> int:
        """About how many bytes the cell takes on the way."""
        return weigh_cells((cell,))

    def weigh(self, cells: Sequence[object]) -> int:
        """About how many bytes all of them take."""
        return weigh_cells(cells)

    def pack(self, cells: Sequence[object], *, plain: bool = False) -> list[Segment]:
        """The cells of a batch as segments; large buffers are segments of their own, and the same bytes.

        `plain`: the cells are known to be a list of small values.
        """
        return pack_cells(cells, plain=plain)

    def unpack(self, segments: Sequence[Segment]) -> tuple[list[object], int | None]:
        """The items of a batch and the place of the first that could not be loaded, where an `Unloadable` stands.

        Arrays keep the memory of their segments, and can be written to if their segment can.
        """
        if not is_framed(segments):
            return unpack_cells(segments)
        with active(self._registry):
            return unpack_cells(segments)

    def measure(self, segments: Sequence[Segment]) -> int:
        """How many bytes the segments take."""
        return sum(map(len, segments))

    def _pickled(self, value: object, buffers: list[bytes] | None) -> bytes:
        try:
            # `pop` and `append` need no lock; asking first would.
            pickler = self._idle.pop()
        except IndexError:
            pickler = _Quick(self._registry, self._token_of)
        try:
            data = pickler.pickled(value, buffers)
        except _UNKNOWN_TYPE as error:
            return self._pickled_by_dill(value, buffers, error)
        except BaseException as error:
            _refuse(value, error)
        # One that failed is not used again: it may be half-way through. Nor one whose memo has grown: emptying it takes
        # as long as it was ever large, which every small item would pay.
        if len(data) <= _MOST_KEPT:
            self._idle.append(pickler)
        return data

    def _pickled_by_dill(self, value: object, buffers: list[bytes] | None, first: Exception) -> bytes:
        if buffers:
            buffers.clear()
        try:
            return _Thorough(self._registry, self._token_of, buffers).pickled(value)
        except _UNKNOWN_TYPE:
            # The first one says it better.
            _refuse(value, first)
        except BaseException as error:
            _refuse(value, error)

    def _token_of(self, thing: Thing) -> str:
        with self._lock:
            # Another thread may have been quicker.
            if (token := self._registry.token_of(thing)) is not None:
                return token
            draft = _Draft(self._registry)
            try:
                definition = draft.pickled(thing)
            except BaseException as error:
                _refuse(thing, error)
            # First the definition: who sees the token finds it in the list.
            self.definitions.append(definition)
            for token, each in draft.things:
                self._registry.publish(token, each)
            return draft.token_of(thing)


def _build(registry: Registry, skeletons: list[tuple[str, bytes]], contents: bytes) -> None:
    for token, skeleton in skeletons:
        make, parts = pickle.loads(skeleton)
        registry.publish(token, make(*parts))
    file = io.BytesIO(contents)
    # One unpickler, because later values share objects with earlier ones.
    unpickler = pickle.Unpickler(file)
    while file.tell() < len(contents):
        thing, state = unpickler.load()
        fill(thing, state)


def _keep_in_band(buffers: list[bytes] | None, buffer: pickle.PickleBuffer) -> bool:
    raw = buffer.raw()
    if buffers is None or not is_large(raw):
        return True
    # Copied now: the user may write into it before the batch is sent.
    buffers.append(bytes(raw))
    return False


def _refuse(value: object, error: BaseException) -> NoReturn:
    # Too little memory, or a Ctrl-C, is not the value's fault.
    if isinstance(error, TransferError | MemoryError) or is_interrupt(error):
        raise error
    what = f"'{value.__qualname__}'" if isinstance(value, Thing) else f"a value of type '{type(value).__qualname__}'"
    raise TransferError(f"{what} cannot be pickled: {text_of(error)}") from error
