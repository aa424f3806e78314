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
_READ = 256 * 1024
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
        views = [memoryview(segment).cast("B") for segment in frame.segments]
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
        self._small = bytearray()
        self._at = 0
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
        piece = sock.recv(_READ)
        if not piece:
            raise EOFError
        if self._at:
            del self._small[: self._at]
            self._at = 0
        self._small += piece
        return self._parse()

    def _parse(self) -> list[Frame]:
        frames: list[Frame] = []
        while self._large is None:
            if self._head is None and not self._parse_head():
                break
            assert self._head is not None
            if len(self._segments) == len(self._lengths):
                frames.append(Frame(Kind(self._head[0]), *self._head[1:], self._segments))
                self._head, self._segments = None, []
            elif not self._parse_segment():
                break
        return frames

    def _parse_head(self) -> bool:
        have = len(self._small) - self._at
        if have < _HEADER.size:
            return False
        *head, segments = _HEADER.unpack_from(self._small, self._at)
        size = _HEADER.size + 8 * segments
        if have < size:
            return False
        self._lengths = list(struct.unpack_from(f"!{segments}Q", self._small, self._at + _HEADER.size))
        kind, seq, at, number, step, seconds = head
        self._head = (kind, seq, at, number, step, seconds)
        self._at += size
        return True

    def _parse_segment(self) -> bool:
        """Take the next segment if it is here whole; a large one that is not gets its own buffer."""
        length = self._lengths[len(self._segments)]
        have = len(self._small) - self._at
        if have >= length:
            self._segments.append(self._small[self._at : self._at + length])
            self._at += length
            return True
        if length < _READ:
            return False
        segment = bytearray(length)
        segment[:have] = self._small[self._at :]
        self._small.clear()
        self._at = 0
        self._segments.append(segment)
        self._large = memoryview(segment)[have:]
        return True
