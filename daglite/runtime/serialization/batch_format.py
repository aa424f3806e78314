"""Pack a batch of serialized items into segments, from which each item can be loaded by itself.

item                a scalar is its own serialized form, anything else a `SerializedItem` (see `pickler`)
batch of scalars    one pickle of the list
any other batch     b"\\0", (i64 length, i64 buffers) for each item | the short pickles | long pickles and buffers
"""

from __future__ import annotations

import pickle
import signal
import struct
import threading
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple, cast

from daglite.runtime.transport.frames import Segment
from daglite.runtime.transport.shared_memory import Arena

SCALARS: frozenset[type] = frozenset({int, float, str, bytes, bool, type(None)})
# The scalars that are too small to be measured.
SMALL: frozenset[type] = frozenset({int, float, bool, type(None)})
# The scalars that are pickled with their batch, however large.
PLAIN: frozenset[type] = SMALL | {str}
PROTOCOL = 5

# From this size on a copy costs more than another segment.
_LARGE = 64 * 1024
# The first byte of a batch whose items are framed one by one; a pickle begins with 0x80.
_FRAMED = b"\0"
# In the place of a number of buffers: not a pickle, but the bytes of a large `bytes` object.
_RAW = -1
_NO_BUFFERS: list[Segment] = []
# An int, a float, a bool or None in a pickle; and the overhead of a text.
_SCALAR_BYTES = 8


class SerializedItem:
    """An item, pickled when it was yielded or returned: later changes to the object do not reach it."""

    __slots__ = ("buffers", "data", "nbytes")

    def __init__(self, data: bytes, buffers: list[Segment], nbytes: int) -> None:
        self.data = data
        self.buffers = buffers
        self.nbytes = nbytes


class Unloadable(NamedTuple):
    """Take the place of an item that could not be loaded."""

    reason: str


def reason_of(item: object) -> str:
    """Return why an item could not be loaded."""
    assert isinstance(item, Unloadable)
    return item.reason


def pack_batch(items: Sequence[object], *, plain: bool = False) -> list[Segment]:
    """Pack serialized items into segments. With `plain` they are known to be a list of `PLAIN` values.

    Large buffers become segments of their own, without a copy.
    """
    if plain:
        return [pickle.dumps(items, PROTOCOL)]
    kinds = set(map(type, items))
    if kinds <= SCALARS and not (bytes in kinds and any(type(item) is bytes and is_large(item) for item in items)):
        return [pickle.dumps(items if type(items) is list else list(items), PROTOCOL)]
    return _framed(items)


def encode_counts(counts: Sequence[int]) -> str:
    """Return small numbers as a text, one letter each: a plain value among plain values, quick to read."""
    try:
        return bytes(counts).decode("latin-1")
    except ValueError:
        return "".join(map(chr, counts))


def decode_counts(text: str) -> Sequence[int]:
    """Return the numbers of `encode_counts`."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return [*map(ord, text)]


def is_framed(segments: Sequence[Segment]) -> bool:
    """Return whether loading the batch may run code: scalars are in one pickle, other items are framed one by one."""
    return bool(segments) and segments[0][:1] == _FRAMED


def unpack_batch(segments: Sequence[Segment]) -> tuple[list[object], int | None]:
    """Return the items of a batch, and the position of the first that could not be loaded, an `Unloadable`."""
    if not segments:
        return [], None
    if not is_framed(segments):
        return cast("list[object]", pickle.loads(segments[0])), None
    items = _unframed(segments)
    return items, first_unloadable(items)


def first_unloadable(items: Sequence[object]) -> int | None:
    """Return the position of the first item that could not be loaded."""
    return next((position for position, item in enumerate(items) if type(item) is Unloadable), None)


def total_size(items: Sequence[object]) -> int:
    """Return about how many bytes serialized items take in a packed batch."""
    kinds = set(map(type, items))
    if kinds.isdisjoint((str, bytes, SerializedItem)):
        return _SCALAR_BYTES * len(items)
    if kinds == {SerializedItem}:
        return sum([item.nbytes for item in cast("Sequence[SerializedItem]", items)])
    return sum(map(_size, items))


def _size(item: object) -> int:
    if isinstance(item, SerializedItem):
        return item.nbytes
    return _SCALAR_BYTES + len(item) if isinstance(item, str | bytes) else _SCALAR_BYTES


def _framed(items: Sequence[object]) -> list[Segment]:
    # The loop runs once for each item, so it makes as few calls as possible.
    table: list[int] = []
    short: list[bytes] = []
    large: list[Segment] = []
    for item in items:
        buffers: list[Segment] = _NO_BUFFERS
        count = 0
        if type(item) is SerializedItem:
            data, buffers = item.data, item.buffers
            count = len(buffers)
        elif type(item) is bytes and len(item) >= _LARGE:
            data, count = item, _RAW
        else:
            data = pickle.dumps(item, PROTOCOL)
        length = len(data)
        table += (length, count)
        if length < _LARGE:
            short.append(data)
        else:
            large.append(data)
        if buffers:
            large += buffers
    return [_FRAMED + struct.pack(f"<{len(table)}q", *table), b"".join(short), *large]


def _unframed(segments: Sequence[Segment]) -> list[object]:
    short, large, end = memoryview(segments[1]), iter(segments[2:]), 0
    items: list[object] = []
    for length, count in struct.iter_unpack("<qq", memoryview(segments[0])[1:]):
        data: Segment
        if length < _LARGE:
            start, end = end, end + length
            data = short[start:end]
        else:
            data = next(large)
        # Its buffers are taken even if the item does not load: the next item needs its own.
        buffers = list(islice(large, count)) if count > 0 else _NO_BUFFERS
        items.append(load_item(data, buffers) if count != _RAW else bytes(data))
    return items


def load_item(data: Segment, buffers: Iterable[Segment]) -> object:
    """Load a pickled item; return `Unloadable` when that raises anything but Ctrl-C."""
    try:
        return pickle.loads(data, buffers=buffers)
    except BaseException as error:
        # Also `SystemExit`: loading runs the user's code, which must not end the process here.
        if is_interrupt(error):
            raise
        return Unloadable(text_of(error))


def keep_in_band(buffers: list[Segment] | None, buffer: pickle.PickleBuffer, arena: Arena | None) -> bool:
    """Append a large buffer to `buffers` if it is a list, and return False; else return True: it goes in the pickle."""
    raw = buffer.raw()
    if buffers is None or not is_large(raw):
        return True
    # Copied now: the user may write into it before the batch is sent.
    shared = None if arena is None else arena.put(raw)
    buffers.append(bytes(raw) if shared is None else shared)
    return False


def is_large(data: bytes | memoryview) -> bool:
    """Return whether data is worth a segment of its own."""
    return len(data) >= _LARGE


def is_interrupt(error: BaseException) -> bool:
    """Return whether this is a Ctrl-C; where SIGINT is ignored, as in workers, the user's own code raised it."""
    if not isinstance(error, KeyboardInterrupt) or threading.current_thread() is not threading.main_thread():
        return False
    return signal.getsignal(signal.SIGINT) is not signal.SIG_IGN


def text_of(error: BaseException) -> str:
    """Return the type and message of an error; never raises."""
    name = type(error).__name__
    try:
        said = str(error)
    except BaseException:
        return name
    return f"{name}: {said}" if said else name
