"""Values as bytes between the coordinator and its workers.

    int, str, None ...     wait as they are and go in one pickle with their batch
    any other item         is pickled the moment it is yielded or returned: `SerializedItem`
    large buffers          lie beside their pickle as segments of their own, copied once and no more
    classes, functions     of importable modules go by name, others by token (see `registry`)

The other side learns what a token means from a *definition*, which is sent once, ahead of the first cell that needs
it. A definition first makes all its classes and functions empty, then fills them, because they may refer to each
other. Workers and coordinator do the same, under every start method: what is of `__main__` never goes by name.
"""

from __future__ import annotations

import io
import pickle
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NoReturn, cast

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
    import daglite.runtime.serialization.dill_fallback as thorough
else:
    # dill takes longer to import than most programs to run: C pickle can do nearly all functions and classes.
    thorough = lazy("daglite.runtime.serialization.dill_fallback")


_MOST_KEPT = 4096
# What C pickle says when it does not know a type; dill may.
_UNKNOWN_TYPE = (TypeError, AttributeError, pickle.PicklingError)


class _ChunkedFile(list[bytes]):
    """A file that keeps what is written to it; quicker than `io.BytesIO`, which copies."""

    write = list.append

    def joined(self) -> bytes:
        """All of it; nothing is left. A `bytearray` among the parts is still the user's own, so it is copied."""
        data = b"".join(self)
        self.clear()
        return data


class _FastPickler(ByValueReducer, pickle.Pickler):
    """C pickle for everything that it can do; kept and used again, because making one costs as much as a small item."""

    def __init__(self, registry: Registry, token_of: Callable[[Thing], str], arena: Arena | None) -> None:
        self.registry, self.token_of = registry, token_of
        self._arena = arena
        self._parts = _ChunkedFile()
        self._buffers: list[Segment] | None = None
        super().__init__(cast("io.BytesIO", self._parts), PROTOCOL, buffer_callback=self._keep_in_band)

    def pickled(self, value: object, buffers: list[Segment] | None) -> bytes:
        """The pickle of a value; large buffers go to `buffers` if there is such a list."""
        self._buffers = buffers
        try:
            self.dump(value)
        finally:
            # They are the item's; a pickler that failed waits for the garbage collector, and would hold them.
            self._buffers = None
        # The memo holds every object of the item.
        self.clear_memo()
        return self._parts.pop() if len(self._parts) == 1 else self._parts.joined()

    def _keep_in_band(self, buffer: pickle.PickleBuffer) -> bool:
        return keep_in_band(self._buffers, buffer, self._arena)


class Codec:
    """One endpoint: one for the coordinator of a run, one for each worker; any thread may use it.

    `owner` begins the tokens it hands out, so it must differ from that of every endpoint it will ever hear of.
    `definitions` only grows: it holds what this endpoint defined and what it learned, so that a coordinator passes
    the classes of one worker on to the others. What it knows it keeps until it is dropped.
    """

    def __init__(self, owner: str, arena: Arena | None = None, *, passes_on: bool = True) -> None:
        """`arena` is where large buffers go that the other side can look at in shared memory.

        One that `passes_on` nothing forgets what it was told as soon as it has learned it.
        """
        self.arena = arena
        self._passes_on = passes_on
        self.definitions: list[bytes] = []
        self._registry = Registry(owner)
        # A draft may lead back here through the user's own pickling methods.
        self._lock = threading.RLock()
        self._idle: list[_FastPickler] = []

    def add_definition(self, definition: Segment) -> None:
        """Take in what another endpoint defined; harmless when known.

        Does not raise what building runs into: the cells that need it do not load here, and say why.
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
        """Pickle a value in one piece; raises `TransferError` saying what it is and why it cannot be."""
        return self._pickled(value, None)

    def dumps_with_buffers(self, value: object, buffers: list[Segment], arena: Arena) -> bytes:
        """The same, but large buffers are added to `buffers`: copies in blocks of an arena that is not our own."""
        before = len(buffers)
        try:
            return _FastPickler(self._registry, self._token_of, arena).pickled(value, buffers)
        except _UNKNOWN_TYPE as error:
            arena.free_views(buffers[before:])
            del buffers[before:]
            return self._pickled_by_dill(value, buffers, error, arena)
        except BaseException as error:
            _refuse(value, error)

    def loads(self, data: Segment, buffers: Iterable[Segment] = ()) -> object:
        """The value of `dumps`, or of `dumps_with_buffers` with its buffers; raises whatever loading it raises."""
        with active(self._registry):
            return pickle.loads(data, buffers=buffers)

    def serialize(self, item: object) -> object:
        """The item as a cell: itself when it can neither change nor surprise, else `SerializedItem`."""
        if type(item) in SCALARS:
            return item
        buffers: list[Segment] = []
        data = self._pickled(item, buffers)
        return SerializedItem(data, buffers, len(data) + sum(map(len, buffers)) if buffers else len(data))

    def snapshot(self, value: object) -> object:
        """The same: what is pickled does not change any more."""
        return self.serialize(value)

    def deserialize(self, cell: object) -> object:
        """The item of a cell, as if it had travelled; `Unloadable` when it cannot be loaded."""
        if not isinstance(cell, SerializedItem):
            return cell
        with active(self._registry):
            # Each time buffers of its own, which it may write to.
            return load_item(cell.data, map(bytearray, cell.buffers))

    def deserialize_in_place(self, cell: SerializedItem) -> object:
        """The item of a cell that nobody needs again: the buffers of the cell become those of the item."""
        with active(self._registry):
            return load_item(cell.data, cell.buffers)

    def size_of(self, cell: object) -> int:
        """About how many bytes the cell takes on the way."""
        return total_size((cell,))

    def total_size(self, cells: Sequence[object]) -> int:
        """About how many bytes all of them take."""
        return total_size(cells)

    def pack(self, cells: Sequence[object], *, plain: bool = False) -> list[Segment]:
        """The cells of a batch as segments; large buffers are segments of their own, and the same bytes.

        `plain`: the cells are known to be a list of `PLAIN` values.
        """
        return pack_batch(cells, plain=plain)

    def unpack(self, segments: Sequence[Segment]) -> tuple[list[object], int | None]:
        """The items of a batch and the place of the first that could not be loaded, where an `Unloadable` stands.

        Arrays keep the memory of their segments, and can be written to if their segment can.
        """
        if segments and not is_framed(segments):
            return cast("list[object]", pickle.loads(segments[0])), None
        with active(self._registry):
            return unpack_batch(segments)

    def payload_size(self, segments: Sequence[Segment]) -> int:
        """How many bytes the segments take."""
        return sum(map(len, segments))

    def _drop(self, buffers: list[Segment] | None) -> None:
        """What a pickle that failed has put aside."""
        if buffers:
            if self.arena is not None:
                self.arena.free_views(buffers)
            buffers.clear()

    def _pickled(self, value: object, buffers: list[Segment] | None) -> bytes:
        try:
            # `pop` and `append` need no lock; asking first would.
            pickler: _FastPickler | None = self._idle.pop()
        except IndexError:
            pickler = None
        if pickler is None:
            # Not above: a Ctrl-C that comes here would be told with that error before it.
            pickler = _FastPickler(self._registry, self._token_of, self.arena)
        try:
            data = pickler.pickled(value, buffers)
        except _UNKNOWN_TYPE as error:
            self._drop(buffers)
            return self._pickled_by_dill(value, buffers, error, self.arena)
        except BaseException as error:
            _refuse(value, error)
        # One that failed is not used again: it may be half-way through. Nor one whose memo has grown: emptying it takes
        # as long as it was ever large, which every small item would pay.
        if len(data) <= _MOST_KEPT:
            self._idle.append(pickler)
        return data

    def _pickled_by_dill(
        self, value: object, buffers: list[Segment] | None, first: Exception, arena: Arena | None
    ) -> bytes:
        # A list of its own: such a pickler lives until the garbage collector comes.
        found: list[Segment] | None = None if buffers is None else []
        try:
            data = thorough.DillPickler(self._registry, self._token_of, found, arena).pickled(value)
        except _UNKNOWN_TYPE:
            # The first one says it better.
            _refuse(value, first)
        except BaseException as error:
            _refuse(value, error)
        if buffers is not None and found:
            buffers += found
            found.clear()
        return data

    def _token_of(self, thing: Thing) -> str:
        with self._lock:
            # Another thread may have been quicker.
            if (token := self._registry.token_of(thing)) is not None:
                return token
            try:
                draft, definition = self._drafted(thing)
            except BaseException as error:
                _refuse(thing, error)
            # First the definition: who sees the token finds it in the list.
            self.definitions.append(definition)
            for token, each in draft.things:
                self._registry.publish(token, each)
            return draft.token_of(thing)

    def _drafted(self, thing: Thing) -> tuple[Definition, bytes]:
        try:
            draft = Definition(self._registry, FastDefinitionPickler)
            return draft, draft.pickled(thing)
        except _UNKNOWN_TYPE:
            draft = Definition(self._registry, thorough.DillDefinitionPickler)
            return draft, draft.pickled(thing)


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
    # Too little memory, or a Ctrl-C, is not the value's fault.
    if isinstance(error, TransferError | MemoryError) or is_interrupt(error):
        raise error
    what = f"'{value.__qualname__}'" if isinstance(value, Thing) else f"a value of type '{type(value).__qualname__}'"
    what = "its function" if isinstance(value, Function) else what
    raise TransferError(f"{what} cannot be pickled: {text_of(error)}") from error
