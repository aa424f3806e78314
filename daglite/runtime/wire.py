"""Pickling for the road: items by plain pickle, code by value with dill, classes of `__main__` by token.

    capture(item) -> cell          one item, pickled at the moment it was yielded (plain values stay as they are)
    pack(cells) -> segments        a batch; each captured item is framed by itself, so a bad one spoils only itself
    unpack(segments) -> items      with `Unloadable` where an item could not be loaded
    dumps / loads                  anything else: functions, arguments, errors
    definitions / learn            classes that travel by value: their body once, afterwards a token, in both directions

By value go functions and classes of `__main__`, local ones, and those whose name does not lead back to them. A class
must arrive as *one* class, however often it travels: otherwise `isinstance` and `except` fail. The only file that
imports dill.
"""

from __future__ import annotations

import enum
import io
import os
import pickle
import socket
import sys
import threading
import types
import weakref
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias, cast

import dill

from daglite.exceptions import TransferError

__all__ = ["Captured", "Codec", "SCALARS", "Unloadable"]

# Exactly these types may be passed by reference into a batch: nobody can change them after the yield.
SCALARS: frozenset[type] = frozenset({int, float, str, bytes, bool, type(None)})

# Of these it is not worth asking each one for its size.
_FIXED = frozenset({int, float, bool, type(None)})
_FIXED_BYTES = 8

Segment: TypeAlias = bytes | bytearray | memoryview

# From this size on a buffer is a segment of its own and is not copied into the pickle.
_OUT_OF_BAND = 64 * 1024
_PLAIN, _SLOW = b"p", b"d"
_NEVER: tuple[type, ...] = (
    type(threading.Lock()),
    type(threading.RLock()),
    io.IOBase,
    socket.socket,
    types.GeneratorType,
    types.FrameType,
    types.CoroutineType,
)

# Every class that any codec of this process knows by a token. A token is unique in the world.
_CLASSES: weakref.WeakValueDictionary[str, type] = weakref.WeakValueDictionary()


class Unloadable(NamedTuple):
    """Stands where an item could not be loaded."""

    reason: str


class Captured:
    """One item as bytes; `buffers` are its large parts, which travel as segments of their own."""

    __slots__ = ("buffers", "data", "nbytes")

    def __init__(self, data: bytes, buffers: list[Segment]) -> None:
        self.data = data
        self.buffers = buffers
        self.nbytes = len(data) + sum(memoryview(buffer).nbytes for buffer in buffers)


class _FreshClass(Exception):
    """The fast road met a class that goes by value and has no token yet."""


class _NeedsDill(Exception):
    """The fast road met a function that goes by value."""


class Codec:
    """One end of the road, for one run. Its classes live as long as it does. Safe to use from several threads."""

    def __init__(self, owner: str) -> None:
        self.definitions: list[bytes] = []
        self._owner = f"{owner}-{os.urandom(6).hex()}"
        self._tokens: dict[type, str] = {}
        self._known: set[str] = set()
        self._lock = threading.RLock()

    def learn(self, definition: bytes) -> None:
        """Take in classes that another end has defined; what is known already is left alone."""
        tokens, body = cast("tuple[list[str], bytes]", pickle.loads(definition))
        with self._lock:
            if not self._known.issuperset(tokens):
                classes = cast("list[type]", _DillUnpickler(io.BytesIO(body)).load())
                for token, cls in zip(tokens, classes, strict=True):
                    self._register(token, cls)
                self.definitions.append(definition)

    def dumps(self, value: object) -> bytes:
        """Anything as bytes; raises `TransferError` saying what cannot be pickled and why."""
        return self._dump(value, None)

    def loads(self, data: Segment) -> object:
        """What `dumps` gave; raises whatever loading raises."""
        return _load(memoryview(data), None)

    def capture(self, item: object) -> object:
        """The item as a cell: itself when nobody can change it, else its bytes as they are now."""
        if type(item) in SCALARS:
            return item
        buffers: list[Segment] = []
        return Captured(self._dump(item, buffers), buffers)

    def restore(self, cell: object) -> object:
        """The item of a cell, or `Unloadable`."""
        return _restored(cell.data, [bytearray(b) for b in cell.buffers]) if isinstance(cell, Captured) else cell

    def size(self, cell: object) -> int:
        """About how many bytes a cell takes on the road."""
        if isinstance(cell, Captured):
            return cell.nbytes
        return len(cell) if isinstance(cell, str | bytes) else _FIXED_BYTES

    def weigh(self, cells: Sequence[object]) -> int:
        """The sizes of several cells, added up."""
        if _FIXED.issuperset(map(type, cells)):
            return _FIXED_BYTES * len(cells)
        return sum(map(self.size, cells))

    def pack(self, cells: Sequence[object]) -> list[Segment]:
        """The cells of a batch: first a pickle of plain values and small captured items, then the large buffers."""
        if Captured not in set(map(type, cells)):
            return [pickle.dumps((None, list(cells)), 5)]
        counts = [len(cell.buffers) if isinstance(cell, Captured) else -1 for cell in cells]
        plain = [cell.data if isinstance(cell, Captured) else cell for cell in cells]
        buffers = [buffer for cell in cells if isinstance(cell, Captured) for buffer in cell.buffers]
        return [pickle.dumps((counts, plain), 5), *buffers]

    def unpack(self, segments: Sequence[Segment]) -> list[object]:
        """The items of a batch."""
        counts, plain = cast("tuple[list[int] | None, list[object]]", pickle.loads(segments[0]))
        if counts is None:
            return plain
        at = 1
        items: list[object] = []
        for count, cell in zip(counts, plain, strict=True):
            if count < 0:
                items.append(cell)
            else:
                items.append(_restored(cast("bytes", cell), segments[at : at + count]))
                at += count
        return items

    def _dump(self, value: object, buffers: list[Segment] | None) -> bytes:
        with self._lock:
            try:
                return self._fast(value, buffers)
            except _NeedsDill:
                pass
            except MemoryError:
                raise
            except Exception as error:
                return self._slow(value, error)
            return self._slow(value, None)

    def _fast(self, value: object, buffers: list[Segment] | None) -> bytes:
        while True:
            file = io.BytesIO(_PLAIN)
            file.seek(1)
            keep = _keeper(buffers) if buffers is not None else None
            try:
                _FastPickler(file, self._tokens, keep).dump(value)
            except _FreshClass as signal:
                if buffers is not None:
                    buffers.clear()
                self._define(value, cast("type", signal.args[0]))
                continue
            return file.getvalue()

    def _slow(self, value: object, reason: Exception | None) -> bytes:
        """By dill; `recurse` takes along only the globals a function uses, but some recursive functions defeat it."""
        first: BaseException | None = reason
        for recurse in (True, False):
            try:
                self._define_all(value, recurse)
                return _SLOW + _dill_dump(value, self._tokens, None, recurse)
            except MemoryError:
                raise
            except Exception as error:
                if first is None or isinstance(first, RecursionError):
                    first = error
                if not isinstance(error, RecursionError):
                    break
        raise TransferError(f"{_short_type(value)}: {_text(first)}") from first

    def _define(self, value: object, cls: type) -> None:
        """Give a class, and every fresh one it refers to, a token and a definition."""
        try:
            self._define_all(cls, recurse=True)
        except RecursionError:
            self._define_all(cls, recurse=False)

    def _define_all(self, value: object, recurse: bool) -> None:
        fresh: dict[type, None] = {}
        # Two passes: the first finds the classes, the second writes them all into one body, so that cycles hold.
        _dill_dump(value, self._tokens, fresh, recurse)
        if not fresh:
            return
        classes = list(fresh)
        body = _dill_dump(classes, self._tokens, {}, recurse)
        tokens = [f"{self._owner}-{len(self._known) + position}" for position in range(len(classes))]
        for token, cls in zip(tokens, classes, strict=True):
            self._register(token, cls)
        self.definitions.append(pickle.dumps((tokens, body)))

    def _register(self, token: str, cls: type) -> None:
        self._tokens[cls] = token
        self._known.add(token)
        _CLASSES[token] = cls


class _FastPickler(pickle.Pickler):
    """C pickle; asks about classes and functions only."""

    def __init__(self, file: io.BytesIO, tokens: dict[type, str], keep: Callable[[pickle.PickleBuffer], bool] | None):
        super().__init__(file, 5, buffer_callback=keep)
        self._tokens = tokens

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, type):
            if not _by_value(obj):
                return NotImplemented
            token = self._tokens.get(obj)
            if token is None:
                raise _FreshClass(obj)
            return _class_of, (token,)
        if type(obj) is types.FunctionType:
            if _by_value(obj):
                raise _NeedsDill
            return _function_road(obj)
        return NotImplemented


class _DillPickler(dill.Pickler):
    """dill, with tokens for known classes, and without its habit of remaking things that cannot be copied."""

    def __init__(self, file: io.BytesIO, tokens: dict[type, str], fresh: dict[type, None] | None, recurse: bool):
        super().__init__(file, protocol=5, recurse=recurse, byref=False)
        self._daglite_tokens = tokens
        self._daglite_fresh = fresh

    def persistent_id(self, obj: Any) -> Any:
        if isinstance(obj, type) and _by_value(obj):
            token = self._daglite_tokens.get(obj)
            if token is not None:
                return token
            if self._daglite_fresh is not None:
                self._daglite_fresh[obj] = None
        return None

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, _NEVER):
            raise TypeError(f"cannot pickle '{type(obj).__name__}' object")
        if type(obj) is types.FunctionType and not _by_value(obj):
            return _function_road(obj)
        if isinstance(obj, enum.EnumMeta) and _by_value(obj):
            return _enum_road(obj)
        return NotImplemented


class _DillUnpickler(dill.Unpickler):
    def persistent_load(self, pid: Any) -> Any:
        return _class_of(pid)


def _class_of(token: str) -> type:
    try:
        return _CLASSES[token]
    except KeyError:
        raise pickle.UnpicklingError("its class could not be rebuilt in this process") from None


def _task_fn(module: str, qualname: str) -> Callable[..., object]:
    """The function behind a task of an importable module."""
    return cast("Callable[..., object]", _named(module, qualname).fn)


def _named(module: str, qualname: str) -> Any:
    __import__(module)
    found: Any = sys.modules[module]
    for part in qualname.split("."):
        found = getattr(found, part)
    return found


def _function_road(fn: types.FunctionType) -> Any:
    """By name: a plain function as pickle does it, one whose name holds its task through the task."""
    found = _named(fn.__module__, fn.__qualname__)
    return NotImplemented if found is fn else (_task_fn, (fn.__module__, fn.__qualname__))


def _enum_road(cls: enum.EnumMeta) -> Any:
    """An enum by value, which dill cannot do: its members first, then its methods, which may refer to it."""
    members = {name: one.value for name, one in cast("dict[str, enum.Enum]", cls.__members__).items()}
    made = _enum_of(enum.EnumMeta, cls.__bases__, cls.__name__, members)
    state = {name: value for name, value in vars(cls).items() if name not in members and name not in vars(made)}
    state |= {"__module__": cls.__module__, "__qualname__": cls.__qualname__}
    return _enum_of, (type(cls), cls.__bases__, cls.__name__, members), state, None, None, _set_all


def _enum_of(meta: type, bases: tuple[type, ...], name: str, members: dict[str, object]) -> Any:
    body: Any = meta.__prepare__(name, bases)
    for member, value in members.items():
        body[member] = value
    return meta(name, bases, body)


def _set_all(cls: type, state: dict[str, object]) -> None:
    for name, value in state.items():
        type.__setattr__(cls, name, value)


def _by_value(obj: Any) -> bool:
    """Whether a function or class goes by value: its name does not lead back to it in another process."""
    module, name = getattr(obj, "__module__", None), obj.__qualname__
    if module is None or module == "__main__" or "<" in name:
        return module is None or module != "builtins"
    if module not in sys.modules:
        return True
    try:
        found = _named(module, name)
    except (AttributeError, ImportError):
        # Builtin types such as `NoneType` are known to pickle under no name of their own.
        return not (isinstance(obj, type) and module == "builtins")
    return not (found is obj or getattr(found, "fn", None) is obj)


def _keeper(buffers: list[Segment]) -> Callable[[pickle.PickleBuffer], bool]:
    def keep(buffer: pickle.PickleBuffer) -> bool:
        """Large buffers go beside the pickle; one that can still be changed is copied now."""
        raw = buffer.raw()
        if raw.nbytes < _OUT_OF_BAND:
            return True
        buffers.append(raw if raw.readonly else bytearray(raw))
        return False

    return keep


def _dill_dump(value: object, tokens: dict[type, str], fresh: dict[type, None] | None, recurse: bool) -> bytes:
    file = io.BytesIO()
    _DillPickler(file, tokens, fresh, recurse).dump(value)
    return file.getvalue()


def _load(data: memoryview, buffers: Sequence[Segment] | None) -> object:
    if data[:1] == _SLOW:
        return _DillUnpickler(io.BytesIO(data[1:])).load()
    return pickle.loads(data[1:], buffers=buffers)


def _restored(data: Segment, buffers: Sequence[Segment]) -> object:
    try:
        return _load(memoryview(data), buffers)
    except MemoryError:
        raise
    except BaseException as error:
        # Also SystemExit out of a user's `__setstate__`: one item, not the process.
        return Unloadable(_text(error))


def _short_type(value: object) -> str:
    return f"a value of type '{type(value).__qualname__}'"


def _text(error: BaseException | None) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return type(error).__name__
