"""Items as cells, and a batch of cells as segments: what can be sent without a copy, and loaded cell by cell.

all scalars             one pickle of the list
anything else           b"\\0", (i64 length, i64 buffers) for each cell | the short cells | large cells and buffers
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
# Those of them that are too small to be worth weighing.
SMALL: frozenset[type] = frozenset({int, float, bool, type(None)})
# Those of them that go in one pickle with their batch, however large.
PLAIN: frozenset[type] = SMALL | {str}
PROTOCOL = 5

# From here on a copy costs more than one more segment.
_LARGE = 64 * 1024
# The first byte of a batch whose cells are framed one by one; a pickle begins with 0x80.
_FRAMED = b"\0"
# In the place of a number of buffers: not a pickle, but the very bytes of a large `bytes`.
_RAW = -1
_NO_BUFFERS: list[Segment] = []
# An int, a float, a bool or None in a pickle; and what surrounds a text.
_FEW = 8


class SerializedItem:
    """One item, pickled when it was yielded or returned; what happens to the object afterwards does not touch it."""

    __slots__ = ("buffers", "data", "nbytes")

    def __init__(self, data: bytes, buffers: list[Segment], nbytes: int) -> None:
        self.data = data
        self.buffers = buffers
        self.nbytes = nbytes


class Unloadable(NamedTuple):
    """Stands in the place of an item that could not be loaded."""

    reason: str


def reason_of(cell: object) -> str:
    """Why a cell could not be loaded."""
    assert isinstance(cell, Unloadable)
    return cell.reason


def pack_batch(cells: Sequence[object], *, plain: bool = False) -> list[Segment]:
    """The cells of a batch as segments; `unpack_batch` is the reverse. `plain`: they are known to be `PLAIN` values."""
    if plain:
        return [pickle.dumps(cells, PROTOCOL)]
    kinds = set(map(type, cells))
    if kinds <= SCALARS and not (bytes in kinds and any(type(cell) is bytes and is_large(cell) for cell in cells)):
        return [pickle.dumps(cells if type(cells) is list else list(cells), PROTOCOL)]
    return _framed(cells)


def encode_counts(marks: Sequence[int]) -> str:
    """Small numbers as a text, one letter each: a plain cell among plain cells, small and quickly read."""
    try:
        return bytes(marks).decode("latin-1")
    except ValueError:
        return "".join(map(chr, marks))


def decode_counts(text: str) -> Sequence[int]:
    """The numbers of `encode_counts`."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return [*map(ord, text)]


def is_framed(segments: Sequence[Segment]) -> bool:
    """Whether loading the cells may run any code: plain values are in one pickle, others are framed one by one."""
    return bool(segments) and segments[0][:1] == _FRAMED


def unpack_batch(segments: Sequence[Segment]) -> tuple[list[object], int | None]:
    """The items of a batch and the place of the first that could not be loaded, where an `Unloadable` stands."""
    if not segments:
        return [], None
    if not is_framed(segments):
        return cast("list[object]", pickle.loads(segments[0])), None
    items = _unframed(segments)
    return items, first_unloadable(items)


def first_unloadable(items: Sequence[object]) -> int | None:
    """The place of the first item that could not be loaded."""
    return next((place for place, item in enumerate(items) if type(item) is Unloadable), None)


def total_size(cells: Sequence[object]) -> int:
    """About how many bytes the cells take on the way."""
    kinds = set(map(type, cells))
    if kinds.isdisjoint((str, bytes, SerializedItem)):
        return _FEW * len(cells)
    if kinds == {SerializedItem}:
        return sum([cell.nbytes for cell in cast("Sequence[SerializedItem]", cells)])
    return sum(map(_weight, cells))


def _weight(cell: object) -> int:
    if isinstance(cell, SerializedItem):
        return cell.nbytes
    return _FEW + len(cell) if isinstance(cell, str | bytes) else _FEW


def _framed(cells: Sequence[object]) -> list[Segment]:
    # Once for each item, so with as few calls as can be.
    table: list[int] = []
    short: list[bytes] = []
    large: list[Segment] = []
    for cell in cells:
        buffers: list[Segment] = _NO_BUFFERS
        mark = 0
        if type(cell) is SerializedItem:
            data, buffers = cell.data, cell.buffers
            mark = len(buffers)
        elif type(cell) is bytes and len(cell) >= _LARGE:
            data, mark = cell, _RAW
        else:
            data = pickle.dumps(cell, PROTOCOL)
        length = len(data)
        table += (length, mark)
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
    for length, mark in struct.iter_unpack("<qq", memoryview(segments[0])[1:]):
        data: Segment
        if length < _LARGE:
            start, end = end, end + length
            data = short[start:end]
        else:
            data = next(large)
        # Its buffers are taken off the list even if it does not load: the next cell needs its own.
        buffers = list(islice(large, mark)) if mark > 0 else _NO_BUFFERS
        items.append(load_item(data, buffers) if mark != _RAW else bytes(data))
    return items


def load_item(data: Segment, buffers: Iterable[Segment]) -> object:
    try:
        return pickle.loads(data, buffers=buffers)
    except BaseException as error:
        # Also `SystemExit`: loading runs the user's code, and this is not the place to leave.
        if is_interrupt(error):
            raise
        return Unloadable(text_of(error))


def keep_in_band(buffers: list[Segment] | None, buffer: pickle.PickleBuffer, arena: Arena | None) -> bool:
    """Where a large buffer goes: to `buffers` if there is such a list, else into the pickle."""
    raw = buffer.raw()
    if buffers is None or not is_large(raw):
        return True
    # Copied now: the user may write into it before the batch is sent.
    shared = None if arena is None else arena.put(raw)
    buffers.append(bytes(raw) if shared is None else shared)
    return False


def is_large(data: bytes | memoryview) -> bool:
    return len(data) >= _LARGE


def is_interrupt(error: BaseException) -> bool:
    """Whether this is a Ctrl-C; where the signal is ignored, as in workers, the user's own code raised it."""
    if not isinstance(error, KeyboardInterrupt) or threading.current_thread() is not threading.main_thread():
        return False
    return signal.getsignal(signal.SIGINT) is not signal.SIG_IGN


def text_of(error: BaseException) -> str:
    name = type(error).__name__
    try:
        said = str(error)
    except BaseException:
        return name
    return f"{name}: {said}" if said else name
