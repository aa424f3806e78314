"""Write and read frames on a socket: a fixed header, the lengths of the segments, the segments.

    u8 kind | u64 seq | u64 at | u32 number | i32 step | f64 seconds | u32 segments | u64 length each | their bytes

A large segment may be in shared memory instead (see `shared_memory`). The header is a struct and not a pickle, so that
a frame can always be read, whatever its segments hold.
"""

from __future__ import annotations

import errno
import socket
import struct
from array import array
from collections import deque
from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple, TypeAlias

from daglite.runtime.transport.shared_memory import Arena, Mappings, pack_numbers, unpack_numbers

Segment: TypeAlias = bytes | bytearray | memoryview

_HEADER = struct.Struct("!BQQIidI")
_LENGTH = struct.Struct("!Q")
# A header and the length of its only segment.
_WITH_LENGTH = struct.Struct(_HEADER.format + "Q")
# Flags in a length: the segment is a block of shared memory, whose number follows; its descriptor comes with the frame.
_SHARED, _NEW = 1 << 63, 1 << 62
_INT = array("i").itemsize
# Plain numbers: `|` and `&` of an enumeration take longer than the system call.
_RIGHTS_FLAGS = int(socket.MSG_CMSG_CLOEXEC)
_CUT = int(socket.MSG_CTRUNC)
_MAX_RIGHTS = 250
_RIGHTS_BYTES = socket.CMSG_SPACE(_INT * 253)
# The first and the largest size of one receive: clearing the largest takes longer than most streams last.
_FIRST_READ = 16 * 1024
_READ = 256 * 1024
# Segments from this size on are received into memory of their own. There is always room for the rest of a smaller one,
# and for the header and the lengths of a frame.
_LARGE = 64 * 1024
# Segments up to this size are copied into one buffer with their neighbours: fewer, larger writes.
_SMALL = 16 * 1024
# The kernel takes at most 1,024 buffers in one call.
_MAX_BUFFERS = 512


class Kind(IntEnum):
    """The kinds of frames; the first group is sent to a worker, the second by one."""

    DEFINE = 1
    INSTALL = 2
    FORGET = 3
    BATCH = 4
    GENERATE = 5
    RESET = 6
    STOP = 7
    # With the descriptor of an eventfd, at which the worker waits from now on.
    EVENTFD = 9
    # By a worker: numbers of blocks that are free again, and of those that are kept.
    RELEASE = 8
    # Blocks for large results; a worker that has none sends BUFFER_REQUEST (see `result_buffers`).
    BUFFERS = 10

    DONE = 16
    FAIL = 17
    CHUNK = 18
    START = 19
    LOG = 20
    READY = 21
    # Items that failed without ending the run, before the result of their batch.
    ITEM_FAILURES = 22
    BUFFER_REQUEST = 23


_KINDS = {int(kind): kind for kind in Kind}


class Frame(NamedTuple):
    """One message. The meaning of the numbers depends on the kind; `processes.worker` lists them."""

    kind: Kind
    seq: int = 0
    at: int = 0
    number: int = 0
    step: int = -1
    seconds: float = 0.0
    segments: Sequence[Segment] = ()


class FrameWriter:
    """Queue frames for a socket that may not take them all at once.

    Of segments in its `arena`, only the number of the block is sent, with its descriptor the first time.
    """

    def __init__(self, arena: Arena | None = None) -> None:
        self.arena = arena
        self._buffers: deque[memoryview] = deque()
        self._known: set[int] = set()
        # Counts of buffers queued and sent so far, and which buffers are sent with descriptors.
        self._queued = self._sent = 0
        self._rights: deque[tuple[int, list[int]]] = deque()

    def __bool__(self) -> bool:
        return bool(self._buffers)

    def push(self, frame: Frame, rights: Sequence[int] = ()) -> None:
        """Queue a frame, with descriptors to be sent with it; nothing is sent yet."""
        segments = frame.segments
        if not rights and len(segments) == 1 and type(segments[0]) is bytes and len(segments[0]) <= _SMALL:
            # Nearly every frame is like this.
            data = segments[0]
            self._queue(memoryview(_WITH_LENGTH.pack(*frame[:6], 1, len(data)) + data))
            return
        views, lengths, fds = list[memoryview](), list[int](), list(rights)
        for segment in segments:
            block = None if self.arena is None else self.arena.block_of(segment)
            view = memoryview(segment).cast("B")
            # A block without a descriptor belongs to the other side.
            new = block is not None and block.fd >= 0 and block.number not in self._known
            if new and len(fds) == _MAX_RIGHTS:
                # The kernel takes no more in one message: the bytes themselves are sent.
                block = None
            if block is None:
                lengths.append(view.nbytes)
            else:
                assert self.arena is not None
                self.arena.mark_sent(block)
                if new:
                    self._known.add(block.number)
                    fds.append(block.fd)
                lengths.append(view.nbytes | _SHARED | (_NEW if new else 0))
                view = memoryview(_LENGTH.pack(block.number))
            views.append(view)
        if fds:
            self._rights.append((self._queued, fds))
        small = bytearray(_HEADER.pack(*frame[:6], len(views)) + struct.pack(f"!{len(lengths)}Q", *lengths))
        for view in views:
            if view.nbytes <= _SMALL:
                small += view
            else:
                self._queue(memoryview(small))
                self._queue(view)
                small = bytearray()
        if small:
            self._queue(memoryview(small))

    def _queue(self, view: memoryview) -> None:
        self._buffers.append(view)
        self._queued += 1

    def flush(self, sock: socket.socket) -> None:
        """Send as much as the socket takes; a blocking socket takes everything."""
        buffers = self._buffers
        while buffers:
            try:
                if self._rights:
                    sent = self._send_rights(sock)
                elif len(buffers) == 1:
                    sent = sock.send(buffers[0])
                else:
                    sent = sock.sendmsg([buffers[i] for i in range(min(len(buffers), _MAX_BUFFERS))])
            except BlockingIOError:
                return
            if sent == len(buffers[0]):
                # The most frequent case: the buffer was sent as a whole.
                buffers.popleft()
                self._sent += 1
                continue
            while sent:
                if sent >= buffers[0].nbytes:
                    sent -= buffers.popleft().nbytes
                    self._sent += 1
                else:
                    buffers[0] = buffers[0][sent:]
                    sent = 0

    def _send_rights(self, sock: socket.socket) -> int:
        """Send the buffers before the next one that has descriptors, or that one with them."""
        place, fds = self._rights[0]
        if place > self._sent:
            return sock.sendmsg([self._buffers[i] for i in range(min(place - self._sent, _MAX_BUFFERS))])
        sent = sock.sendmsg([self._buffers[0]], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", fds))])
        self._rights.popleft()
        return sent


class FrameReader:
    """Read frames from a socket, in however many receives they arrive."""

    def __init__(self, mappings: Mappings | None = None) -> None:
        """`mappings` are the blocks of shared memory of the other side."""
        # Reused: the kernel would have to find and clear as much memory for each receive.
        self._room = bytearray(_FIRST_READ)
        self._view = memoryview(self._room)
        # What has arrived and is not parsed is between these two positions.
        self._at = 0
        self._end = 0
        self._head: tuple[int, int, int, int, int, float] | None = None
        self._lengths: list[int] = []
        self._segments: list[Segment] = []
        self._large: memoryview | None = None
        self.mappings = Mappings() if mappings is None else mappings
        # For a socket that blocks: `MSG_DONTWAIT` makes `read` raise `BlockingIOError` as one that does not.
        self.flags = 0

    def read(self, sock: socket.socket) -> list[Frame]:
        """Receive once, and return the frames that are complete; raises `EOFError` at the end of the stream."""
        if self._large is not None:
            # A large segment is received into its own memory, without a second copy.
            got = sock.recv_into(self._large, 0, self.flags)
            if got == 0:
                raise EOFError
            self._large = self._large[got:] if got < len(self._large) else None
            return self._parse() if self._large is None else []
        if self._at == self._end:
            self._at = self._end = 0
        elif self._at:
            left = self._end - self._at
            self._room[:left] = self._room[self._at : self._end]
            self._at, self._end = 0, left
        if self._end == len(self._room):
            self._enlarge()
        got, rights, flags, _ = sock.recvmsg_into([self._view[self._end :]], _RIGHTS_BYTES, _RIGHTS_FLAGS | self.flags)
        for level, kind, data in rights:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                self.mappings.descriptors.extend(array("i", data[: len(data) // _INT * _INT]))
        if flags & _CUT:
            raise OSError(errno.EMFILE, "too few file descriptors to take over what was sent")
        if got == 0:
            raise EOFError
        self._end += got
        if self._end == len(self._room) < _READ:
            # There may be more.
            self._enlarge()
        return self._parse()

    def _enlarge(self) -> None:
        self._room = self._room + bytearray(len(self._room))
        self._view = memoryview(self._room)

    def _parse(self) -> list[Frame]:
        frames: list[Frame] = []
        while self._head is None and self._at < self._end and (frame := self._parse_whole()) is not None:
            frames.append(frame)
        while self._large is None and (self._at < self._end or self._head is not None):
            if self._head is None and not self._parse_head():
                break
            assert self._head is not None
            if len(self._segments) == len(self._lengths):
                kind, seq, at, number, step, seconds = self._head
                # At once: the next frames may be parsed before this one is processed, and may belong to another run or
                # have descriptors of their own.
                if kind == Kind.RESET:
                    self.mappings.forget()
                elif kind in (Kind.BUFFERS, Kind.INSTALL):
                    self.mappings.frame_descriptors += [self.mappings.descriptors.popleft() for _ in range(number)]
                frames.append(Frame(_KINDS[kind], seq, at, number, step, seconds, self._segments))
                self._head, self._segments = None, []
            elif not self._parse_segment():
                break
        return frames

    def _parse_whole(self) -> Frame | None:
        """Return the next frame if it has one segment and is complete, as nearly every frame."""
        start, end = self._at + _WITH_LENGTH.size, self._end
        if start > end:
            return None
        kind, seq, at, number, step, seconds, segments, length = _WITH_LENGTH.unpack_from(self._room, self._at)
        # The flag of a segment in shared memory makes its length too large.
        if segments != 1 or length > end - start:
            return None
        self._at = end = start + length
        return Frame(_KINDS[kind], seq, at, number, step, seconds, [self._room[start:end]])

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
        """Take the next segment if it is complete; an incomplete large one gets memory of its own."""
        length = self._lengths[len(self._segments)]
        have = self._end - self._at
        if length & _SHARED:
            if have < _LENGTH.size:
                return False
            (number,) = _LENGTH.unpack_from(self._room, self._at)
            self._at += _LENGTH.size
            size = length & ~(_SHARED | _NEW)
            self._segments.append(self.mappings.view(number, size, new=bool(length & _NEW)))
            return True
        if have >= length:
            self._segments.append(self._room[self._at : self._at + length])
            self._at += length
            return True
        if length < _LARGE:
            return False
        segment = self.mappings.allocate(length)
        segment[:have] = self._room[self._at : self._end]
        self._at = self._end = 0
        self._segments.append(segment)
        self._large = memoryview(segment)[have:]
        return True


def release_frame(reader: FrameReader) -> Frame | None:
    """Return the RELEASE frame for the shared memory of the frames read so far, if there is anything to release."""
    free, kept = reader.mappings.released()
    return Frame(Kind.RELEASE, segments=[pack_numbers(free), pack_numbers(kept)]) if free or kept else None


def apply_release(arena: Arena | None, frame: Frame) -> None:
    """Apply a RELEASE frame of the other side to the blocks of this side."""
    if arena is not None:
        arena.free(unpack_numbers(frame.segments[0]))
        arena.forget(unpack_numbers(frame.segments[1]))
