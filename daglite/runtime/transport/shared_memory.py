"""Large items in memory that the coordinator and its workers share: copied once, when they are captured.

    coordinator  Arena: blocks of nameless memory files; a buffer is copied into a free one
    socket       the number of the block, and its descriptor the first time
    worker       Mappings: a private view, so what a task writes stays its own, and a second try sees what the first saw
    back         "free": nobody looks at the block any more, it is used again; "kept": somebody still does, forget it

Nothing has a name that could be left behind: the kernel frees a block when the last process that has it is gone.
Results come back another way (see `loans`): users keep them, and each kept block would cost them a descriptor.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
import threading
import weakref
from collections import deque
from collections.abc import Iterable
from itertools import count

# Buffers from this size on are shared; below it a socket is as quick.
SHARED_BYTES = 256 * 1024
_ROUND = 1024 * 1024
# Most bytes in the blocks of an arena; what does not fit goes through the socket.
_MOST_BYTES = 256 * 1024 * 1024
# Views that may still be in use while their blocks wait to come back; older ones are given away.
_MOST_OPEN = 32
# For all arenas of this process; the process id in front makes them differ from those of others.
_NUMBERS = count()


def new_number() -> int:
    """A number for a block, which no other process gives to one of its own."""
    return os.getpid() << 32 | next(_NUMBERS)


def new_file() -> int:
    """The descriptor of a new memory file, empty and nameless; raises `AttributeError` where there are none."""
    return os.memfd_create("daglite", os.MFD_CLOEXEC)


class Block:
    """Memory of an arena: `number` for the other side, `size` bytes behind the descriptor `fd`."""

    __slots__ = ("fd", "memory", "number", "size", "view")

    def __init__(self, number: int, size: int, fd: int) -> None:
        """The descriptor is the block's from now on, whatever happens."""
        self.number = number
        self.size = size
        self.fd = fd
        try:
            # Now, when too little memory is an error that can be caught, and not when it is first written to.
            os.posix_fallocate(fd, 0, size)
            # All its pages at once: one by one, when they are first written to, takes longer than the copy itself.
            self.memory = mmap.mmap(fd, size, mmap.MAP_SHARED | mmap.MAP_POPULATE)
        except BaseException:
            os.close(fd)
            raise
        self.view = memoryview(self.memory)

    def close(self) -> None:
        """Give it back, at the end of a run: nothing waits to be sent any more. What is looked at lives on."""
        if self.fd >= 0:
            os.close(self.fd)
        with contextlib.suppress(BufferError):
            self.view.release()
            self.memory.close()


class Arena:
    """The sender's side. One thread may capture while another learns what is free again."""

    def __init__(self, most: int = _MOST_BYTES) -> None:
        """`most` bytes in all blocks together."""
        self._most = most
        self._lock = threading.RLock()
        self._blocks: dict[int, Block] = {}
        self._by_memory: dict[int, Block] = {}
        self._free: list[Block] = []
        self._nbytes = 0
        _ARENAS.add(self)

    def put(self, raw: memoryview) -> memoryview | None:
        """A copy of a buffer in a block; None where sharing is not possible, or the buffer is too small for it."""
        size = raw.nbytes
        if size < SHARED_BYTES:
            return None
        with self._lock:
            block = self._taken(size) or self._new(-(-size // _ROUND) * _ROUND)
        if block is None:
            return None
        block.view = memoryview(block.memory)[:size]
        block.view[:] = raw
        return block.view

    def block_of(self, segment: object) -> Block | None:
        """The block that a segment lies in, when it is one of this arena."""
        return self._by_memory.get(id(segment.obj)) if isinstance(segment, memoryview) else None

    def sent(self, block: Block) -> None:
        """The block is on its way; it will be heard of again."""

    def free(self, numbers: Iterable[int]) -> None:
        """Nobody needs these blocks any more."""
        with self._lock:
            for number in numbers:
                block = self._blocks.get(number)
                if block is not None:
                    self._free.append(block)

    def free_views(self, views: Iterable[object]) -> None:
        """The same for the blocks that these buffers lie in, if any: they will not be sent."""
        self.free([block.number for view in views if (block := self.block_of(view)) is not None])

    def forget(self, numbers: Iterable[int]) -> None:
        """Somebody keeps these blocks: they are never written to again."""
        with self._lock:
            for number in numbers:
                block = self._blocks.pop(number, None)
                if block is not None:
                    # The cell it belongs to may still be shown in an error: whoever is last gives the memory back.
                    del self._by_memory[id(block.memory)]
                    self._nbytes -= block.size
                    os.close(block.fd)

    def close(self) -> None:
        """Give everything back; what is still sent, or looked at, lives as long as that."""
        with self._lock:
            blocks = list(self._blocks.values())
            self._free.clear()
            self._blocks.clear()
            self._by_memory.clear()
            self._nbytes = 0
        for block in blocks:
            block.close()

    def after_fork(self) -> None:
        """In a forked child, which has no use for any of it; another thread may have held the lock."""
        self._lock = threading.RLock()
        self.close()

    def _taken(self, size: int) -> Block | None:
        """The smallest free block that is large enough and not much too large."""
        fitting = [block for block in self._free if size <= block.size <= 2 * size + _ROUND]
        block = min(fitting, key=lambda each: each.size, default=None)
        if block is not None:
            self._free.remove(block)
        return block

    def _new(self, size: int) -> Block | None:
        if self._nbytes + size > self._most:
            return None
        try:
            block = Block(new_number(), size, new_file())
        except (AttributeError, OSError):
            # Not on this system, or no descriptor, or no memory: then it goes through the socket.
            return None
        self._nbytes += size
        self._blocks[block.number] = self._by_memory[id(block.memory)] = block
        return block


class Mappings:
    """The receiver's side."""

    def __init__(self) -> None:
        # Descriptors that have arrived, in order, those of loans apart; and those of known blocks.
        self.descriptors: deque[int] = deque()
        self.frame_descriptors: deque[int] = deque()
        self._known: dict[int, int] = {}
        self._open: deque[tuple[int, mmap.mmap]] = deque()
        # What a forked child may look at, for as long as it lives.
        self._copied: list[int] = []
        _ARENAS.add(self)

    def view(self, number: int, size: int, *, new: bool) -> memoryview:
        """The first `size` bytes of a block, as private memory: its descriptor is `new`, or known."""
        if new:
            self._known[number] = self.descriptors.popleft()
        memory = mmap.mmap(self._known[number], size, access=mmap.ACCESS_COPY)
        self._open.append((number, memory))
        return memoryview(memory)

    def allocate(self, size: int) -> bytearray | memoryview:
        """Memory for what comes through the socket."""
        return bytearray(size)

    def settle(self) -> tuple[list[int], list[int]]:
        """The blocks that nobody looks at any more, and those that are kept for good."""
        if not self._open and not self._copied:
            return [], []
        free, kept, used = list[int](), list[int](), deque[tuple[int, mmap.mmap]]()
        for number in self._copied:
            os.close(self._known.pop(number))
            kept.append(number)
        self._copied.clear()
        for number, memory in self._open:
            try:
                # It refuses while anything is left that looks at it, be it the frame that brought it.
                memory.close()
            except BufferError:
                used.append((number, memory))
            else:
                free.append(number)
        while len(used) > _MOST_OPEN:
            number = used.popleft()[0]
            os.close(self._known.pop(number))
            kept.append(number)
        self._open = used
        return free, kept

    def before_fork(self) -> None:
        """A child gets the views too, and pages that it has not written to show what is written into the block."""
        self._copied += [number for number, _ in self._open]
        self._open.clear()

    def after_fork(self) -> None:
        """In a forked child: the descriptors are not its business."""
        self.close()

    def close(self) -> None:
        """Give the descriptors back; what is looked at stays."""
        fds = [*self.descriptors, *self.frame_descriptors]
        self.descriptors.clear()
        self.frame_descriptors.clear()
        for fd in fds:
            os.close(fd)
        self.forget()

    def forget(self) -> None:
        """The same for all blocks that are known so far: the other side has ended them."""
        fds = [*self._known.values()]
        self._known.clear()
        self._open.clear()
        self._copied.clear()
        for fd in fds:
            os.close(fd)


_ARENAS: weakref.WeakSet[Arena | Mappings] = weakref.WeakSet()


def _close_inherited() -> None:
    for each in list(_ARENAS):
        with contextlib.suppress(OSError):
            each.after_fork()


def _keep_for_child() -> None:
    for each in list(_ARENAS):
        if isinstance(each, Mappings):
            each.before_fork()


os.register_at_fork(before=_keep_for_child, after_in_child=_close_inherited)


def pack_numbers(numbers: list[int]) -> bytes:
    """Numbers of blocks as bytes."""
    return struct.pack(f"!{len(numbers)}Q", *numbers)


def unpack_numbers(data: bytes | bytearray | memoryview) -> list[int]:
    """The numbers of `pack_numbers`."""
    return list(struct.unpack(f"!{len(data) // 8}Q", data))
