"""What crosses a socket: a fixed header, the lengths of the segments, the segments.

    u8 kind | u64 seq | u64 at | u32 number | i32 step | f64 seconds | u32 segments | u64 length each | their bytes

The header is a struct and not a pickle, so that a frame can always be read, whatever its segments hold.
"""

from __future__ import annotations

import socket
import struct
from collections import deque
from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple, TypeAlias

__all__ = ["Frame", "FrameReader", "FrameWriter", "Kind", "Segment"]

Segment: TypeAlias = bytes | bytearray | memoryview

_HEADER = struct.Struct("!BQQIidI")
_LENGTH = struct.Struct("!Q")
_READ = 256 * 1024
# Segments from this size on that are not here yet are received where they will stay; room for the rest of one that is
# smaller, and for the header and the lengths of a frame, is always left.
_LARGE = 64 * 1024
# Segments up to this size are copied into one buffer with their neighbours: fewer, larger writes.
_SMALL = 16 * 1024
# The kernel takes at most 1,024 buffers in one call.
_MOST_BUFFERS = 512


class Kind(IntEnum):
    """The kinds of frames; the first group goes to a worker, the second comes from one."""

    DEFINE = 1
    INSTALL = 2
    FORGET = 3
    BATCH = 4
    GENERATE = 5
    RESET = 6
    STOP = 7

    DONE = 16
    FAIL = 17
    PIECE = 18
    START = 19
    LOG = 20
    READY = 21


_KINDS = {int(kind): kind for kind in Kind}


class Frame(NamedTuple):
    """One message. What the numbers mean depends on the kind; `worker` lists them."""

    kind: Kind
    seq: int = 0
    at: int = 0
    number: int = 0
    step: int = -1
    seconds: float = 0.0
    segments: Sequence[Segment] = ()


class FrameWriter:
    """Frames on their way into a socket that may not take them all at once."""

    def __init__(self) -> None:
        self._buffers: deque[memoryview] = deque()

    def __bool__(self) -> bool:
        return bool(self._buffers)

    def push(self, frame: Frame) -> None:
        """Queue a frame; nothing is sent yet."""
        segments = frame.segments
        if len(segments) == 1 and type(segments[0]) is bytes and len(segments[0]) <= _SMALL:
            # Nearly every frame is like this.
            data = segments[0]
            self._buffers.append(memoryview(_HEADER.pack(*frame[:6], 1) + _LENGTH.pack(len(data)) + data))
            return
        views = [memoryview(segment).cast("B") for segment in segments]
        header = _HEADER.pack(*frame[:6], len(views))
        small = bytearray(header + struct.pack(f"!{len(views)}Q", *(view.nbytes for view in views)))
        for view in views:
            if view.nbytes <= _SMALL:
                small += view
            else:
                self._buffers.append(memoryview(small))
                self._buffers.append(view)
                small = bytearray()
        if small:
            self._buffers.append(memoryview(small))

    def flush(self, sock: socket.socket) -> None:
        """Send as much as the socket takes; a blocking socket takes all."""
        buffers = self._buffers
        while buffers:
            try:
                if len(buffers) == 1:
                    sent = sock.send(buffers[0])
                else:
                    sent = sock.sendmsg([buffers[i] for i in range(min(len(buffers), _MOST_BUFFERS))])
            except BlockingIOError:
                return
            while sent:
                if sent >= buffers[0].nbytes:
                    sent -= buffers.popleft().nbytes
                else:
                    buffers[0] = buffers[0][sent:]
                    sent = 0


class FrameReader:
    """Frames out of a socket, whatever pieces they arrive in."""

    def __init__(self) -> None:
        # Kept and used again: the kernel would have to find, and clear, as much memory for each receive.
        self._room = bytearray(_READ)
        self._view = memoryview(self._room)
        # What has arrived and is not parsed lies between these two.
        self._at = 0
        self._end = 0
        self._head: tuple[int, int, int, int, int, float] | None = None
        self._lengths: list[int] = []
        self._segments: list[bytearray] = []
        self._large: memoryview | None = None

    def read(self, sock: socket.socket) -> list[Frame]:
        """One receive, and the frames that are whole after it; raises `EOFError` at the end of the stream."""
        if self._large is not None:
            # A large segment is received right where it will stay: no second copy.
            got = sock.recv_into(self._large)
            if got == 0:
                raise EOFError
            self._large = self._large[got:] if got < len(self._large) else None
            return self._parse() if self._large is None else []
        if self._at:
            left = self._end - self._at
            self._room[:left] = self._room[self._at : self._end]
            self._at, self._end = 0, left
        if self._end == len(self._room):
            # A head with the lengths of very many segments.
            self._room = self._room + bytearray(self._end)
            self._view = memoryview(self._room)
        got = sock.recv_into(self._view[self._end :])
        if got == 0:
            raise EOFError
        self._end += got
        return self._parse()

    def _parse(self) -> list[Frame]:
        frames: list[Frame] = []
        while self._large is None:
            if self._head is None and not self._parse_head():
                break
            assert self._head is not None
            if len(self._segments) == len(self._lengths):
                kind, seq, at, number, step, seconds = self._head
                frames.append(Frame(_KINDS[kind], seq, at, number, step, seconds, self._segments))
                self._head, self._segments = None, []
            elif not self._parse_segment():
                break
        return frames

    def _parse_head(self) -> bool:
        have = self._end - self._at
        if have < _HEADER.size:
            return False
        kind, seq, at, number, step, seconds, segments = _HEADER.unpack_from(self._room, self._at)
        start = self._at + _HEADER.size
        if have < _HEADER.size + 8 * segments:
            return False
        if segments == 1:
            self._lengths = [*_LENGTH.unpack_from(self._room, start)]
        else:
            self._lengths = [*struct.unpack_from(f"!{segments}Q", self._room, start)]
        self._head = (kind, seq, at, number, step, seconds)
        self._at = start + 8 * segments
        return True

    def _parse_segment(self) -> bool:
        """Take the next segment if it is here whole; one that is not, and is large, gets its own buffer."""
        length = self._lengths[len(self._segments)]
        have = self._end - self._at
        if have >= length:
            self._segments.append(self._room[self._at : self._at + length])
            self._at += length
            return True
        if length < _LARGE:
            return False
        segment = bytearray(length)
        segment[:have] = self._room[self._at : self._end]
        self._at = self._end = 0
        self._segments.append(segment)
        self._large = memoryview(segment)[have:]
        return True
