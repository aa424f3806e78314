"""Pickle the items of one endpoint: the coordinator of a run, or one of its workers.

    object           by C pickle, which asks `by_value` about each function and class in it
    function, class  of an importable module by name, of another module by token (see `registry`), else by value
    what is left     by dill, which knows more types (see `dill_fallback`)

Large buffers are copied once and stay beside their pickle. The other endpoint learns what a token means from a
definition (see `definitions`), which is sent once, before the first item that needs it. Workers and coordinator do the
same under every start method: nothing of `__main__` goes by name.
"""

from __future__ import annotations

import io
import pickle
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, cast

from daglite.exceptions import TransferError
from daglite.functions import Function
from daglite.lazy import lazy
from daglite.runtime.serialization.batch_format import (
    PROTOCOL,
    SCALARS,
    SerializedItem,
    is_framed,
    is_interrupt,
    keep_in_band,
    load_item,
    pack_batch,
    text_of,
    total_size,
    unpack_batch,
)
from daglite.runtime.serialization.by_value import ByValueReducer, fill
from daglite.runtime.serialization.definitions import Definition, FastDefinitionPickler
from daglite.runtime.serialization.registry import Registry, Thing, active
from daglite.runtime.transport.frames import Segment
from daglite.runtime.transport.shared_memory import Arena

if TYPE_CHECKING:
    import daglite.runtime.serialization.dill_fallback as dill_fallback
else:
    # dill takes longer to import than most programs to run: C pickle can do nearly all functions and classes.
    dill_fallback = lazy("daglite.runtime.serialization.dill_fallback")


_MAX_REUSED = 4096
# C pickle raises these for a type that it does not know; dill may know it.
_UNKNOWN_TYPE = (TypeError, AttributeError, pickle.PicklingError)


class _ChunkedFile(list[bytes]):
    """A file that keeps the chunks written to it; faster than `io.BytesIO`, which copies."""

    write = list.append

    def joined(self) -> bytes:
        """Remove and return all bytes. A `bytearray` among the chunks is still the user's own, so it is copied."""
        data = b"".join(self)
        self.clear()
        return data


class _FastPickler(ByValueReducer, pickle.Pickler):
    """C pickle for all types that it knows. It is used again: making one takes as long as pickling a small item."""

    def __init__(self, registry: Registry, token_of: Callable[[Thing], str], arena: Arena | None) -> None:
        self.registry, self.token_of = registry, token_of
        self._arena = arena
        self._parts = _ChunkedFile()
        self._buffers: list[Segment] | None = None
        super().__init__(cast("io.BytesIO", self._parts), PROTOCOL, buffer_callback=self._keep_in_band)

    def pickled(self, value: object, buffers: list[Segment] | None) -> bytes:
        """Return the pickle of a value; large buffers are appended to `buffers` if it is a list."""
        self._buffers = buffers
        try:
            self.dump(value)
        finally:
            # A pickler that failed lives until the garbage collector runs, and would keep the buffers of the item.
            self._buffers = None
        # The memo refers to every object of the item.
        self.clear_memo()
        return self._parts.pop() if len(self._parts) == 1 else self._parts.joined()

    def _keep_in_band(self, buffer: pickle.PickleBuffer) -> bool:
        return keep_in_band(self._buffers, buffer, self._arena)


class Codec:
    """Serialize and load the items of one endpoint; any thread may use it.

    `owner` begins the tokens of this endpoint, so it must differ from that of every other endpoint. `definitions` only
    grows: it holds what this endpoint and others have defined, so that a coordinator passes the classes of one
    worker on to the others. A serialized item is a scalar, or a `SerializedItem`.
    """

    def __init__(self, owner: str, arena: Arena | None = None, *, passes_on: bool = True) -> None:
        """`arena` is shared memory for large buffers. With `passes_on=False`, definitions of others are not kept."""
        self.arena = arena
        self._passes_on = passes_on
        self.definitions: list[bytes] = []
        self._registry = Registry(owner)
        # The user's own pickling methods may call this codec while it makes a definition.
        self._lock = threading.RLock()
        self._idle: list[_FastPickler] = []

    def add_definition(self, definition: Segment) -> None:
        """Build the classes and functions that another endpoint defined, unless they are known.

        An error in building them is not raised: the items that need them do not load here, and tell the reason.
        """
        with self._lock:
            skeletons, contents = cast("tuple[list[tuple[str, bytes]], bytes]", pickle.loads(definition))
            registry = self._registry
            if any(token in registry.things or token in registry.broken for token, _ in skeletons):
                return
            # Even if it does not load here it may load elsewhere.
            self.definitions.append(bytes(definition) if self._passes_on else b"")
            try:
                with active(registry):
                    _build(registry, skeletons, contents)
            except BaseException as error:
                if is_interrupt(error):
                    raise
                for token, _ in skeletons:
                    registry.withdraw(token, f"its class or function cannot be built here: {text_of(error)}")

    def dumps(self, value: object) -> bytes:
        """Pickle a value in one piece; raises `TransferError` naming its type and the reason."""
        return self._pickled(value, None)

    def dumps_with_buffers(self, value: object, buffers: list[Segment], arena: Arena) -> bytes:
        """Pickle a value; fill the empty list `buffers` with its large buffers, in blocks of `arena` if possible."""
        try:
            return _FastPickler(self._registry, self._token_of, arena).pickled(value, buffers)
        except BaseException as error:
            return self._pickled_by_dill(value, buffers, error, arena)

    def loads(self, data: Segment, buffers: Iterable[Segment] = ()) -> object:
        """Load a pickle with its buffers; raises whatever loading it raises."""
        with active(self._registry):
            return pickle.loads(data, buffers=buffers)

    def serialize(self, item: object) -> object:
        """Return a scalar as it is, anything else pickled; raises `TransferError` when it cannot be."""
        if type(item) in SCALARS:
            return item
        buffers: list[Segment] = []
        data = self._pickled(item, buffers)
        return SerializedItem(data, buffers, len(data) + sum(map(len, buffers)) if buffers else len(data))

    # A pickle does not change any more.
    snapshot = serialize

    def deserialize(self, item: object) -> object:
        """Load a serialized item; return `Unloadable` when that fails."""
        if not isinstance(item, SerializedItem):
            return item
        with active(self._registry):
            # Copies of the buffers: the loaded item may write to them.
            return load_item(item.data, map(bytearray, item.buffers))

    def deserialize_in_place(self, item: SerializedItem) -> object:
        """Load a serialized item that is not needed again: its buffers become those of the loaded item."""
        with active(self._registry):
            return load_item(item.data, item.buffers)

    def size_of(self, item: object) -> int:
        """Return about how many bytes a serialized item takes in a packed batch."""
        return total_size((item,))

    total_size = staticmethod(total_size)
    pack = staticmethod(pack_batch)

    def unpack(self, payload: Sequence[Any]) -> tuple[list[object], int | None]:
        """Return the items of a packed batch, and the position of the first `Unloadable` among them.

        Arrays keep the memory of their segments, and can be written to if their segment can.
        """
        if payload and not is_framed(payload):
            return cast("list[object]", pickle.loads(payload[0])), None
        with active(self._registry):
            return unpack_batch(payload)

    @staticmethod
    def payload_size(payload: Sequence[Any]) -> int:
        """Return the bytes of a packed batch."""
        return sum(map(len, payload))

    def _pickled(self, value: object, buffers: list[Segment] | None) -> bytes:
        try:
            # `pop` and `append` need no lock; a check before it would.
            pickler: _FastPickler | None = self._idle.pop()
        except IndexError:
            pickler = None
        if pickler is None:
            # Not in the `except` above: a Ctrl-C here would have that error as its context.
            pickler = _FastPickler(self._registry, self._token_of, self.arena)
        try:
            data = pickler.pickled(value, buffers)
        except BaseException as error:
            return self._pickled_by_dill(value, buffers, error, self.arena)
        # One that failed is not used again: its state is unknown. Nor one whose memo has grown: emptying it takes as
        # long as it was ever large, which every small item would pay.
        if len(data) <= _MAX_REUSED:
            self._idle.append(pickler)
        return data

    def _pickled_by_dill(
        self, value: object, buffers: list[Segment] | None, first: BaseException, arena: Arena | None
    ) -> bytes:
        """Pickle by dill what C pickle refused with the error `first`, if that says that it does not know a type."""
        if not isinstance(first, _UNKNOWN_TYPE):
            _refuse(value, first)
        if buffers:
            # Buffers that C pickle has found already.
            if arena is not None:
                arena.free_views(buffers)
            buffers.clear()
        # A list of its own: such a pickler lives until the garbage collector runs.
        found: list[Segment] | None = None if buffers is None else []
        try:
            data = dill_fallback.DillPickler(self._registry, self._token_of, found, arena).pickled(value)
        except BaseException as error:
            # The error of C pickle is the clearer one.
            _refuse(value, first if isinstance(error, _UNKNOWN_TYPE) else error)
        if buffers is not None and found:
            buffers += found
            found.clear()
        return data

    def _token_of(self, thing: Thing) -> str:
        with self._lock:
            # Another thread may have defined it meanwhile.
            if (token := self._registry.token_of(thing)) is not None:
                return token
            try:
                definition, data = self._defined(thing)
            except BaseException as error:
                _refuse(thing, error)
            # Append the definition first: a thread that finds the token must find the definition in the list.
            self.definitions.append(data)
            for token, each in definition.things:
                self._registry.publish(token, each)
            return definition.token_of(thing)

    def _defined(self, thing: Thing) -> tuple[Definition, bytes]:
        try:
            definition = Definition(self._registry, FastDefinitionPickler)
            return definition, definition.pickled(thing)
        except _UNKNOWN_TYPE:
            definition = Definition(self._registry, dill_fallback.DillDefinitionPickler)
            return definition, definition.pickled(thing)


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


def _refuse(value: object, error: BaseException) -> NoReturn:
    # Too little memory and Ctrl-C do not come from the value.
    if isinstance(error, TransferError | MemoryError) or is_interrupt(error):
        raise error
    what = f"'{value.__qualname__}'" if isinstance(value, Thing) else f"a value of type '{type(value).__qualname__}'"
    what = "its function" if isinstance(value, Function) else what
    raise TransferError(f"{what} cannot be pickled: {text_of(error)}") from error
