"""Share large items between the coordinator and its workers: a buffer is copied once, when its item is serialized.

    coordinator  Arena: blocks of anonymous memory files; a buffer is copied into a free one
    socket       the number of the block, and its descriptor the first time
    worker       Mappings: a private view; what a task writes is not shared, so a second attempt sees the same data
    back         "free": no object refers to the block, it is used again; "kept": one still does, forget the block

No file name can be left over: the kernel frees a block when the last process that has it ends. Results come back in
another way (see `result_buffers`): users keep them, and each kept block would cost a descriptor.
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

# Buffers from this size on are shared; below it a socket is as fast.
SHARED_BYTES = 256 * 1024
_ROUND = 1024 * 1024
# Most bytes in the blocks of an arena; what does not fit is sent through the socket.
_MAX_BYTES = 256 * 1024 * 1024
# Views that may still be in use while their blocks are not released; older ones are kept.
_MAX_OPEN = 32
# For all arenas of this process; the process id before it makes them differ from those of other processes.
_NUMBERS = count()


def new_number() -> int:
    """Return a number for a block that is unique among processes."""
    return os.getpid() << 32 | next(_NUMBERS)


def new_file() -> int:
    """Return the descriptor of a new, anonymous memory file; raises `AttributeError` where there are none."""
    return os.memfd_create("daglite", os.MFD_CLOEXEC)


class Block:
    """Memory of an arena: `size` bytes of the descriptor `fd`, known to the other side by its `number`."""

    __slots__ = ("fd", "memory", "number", "size", "view")

    def __init__(self, number: int, size: int, fd: int) -> None:
        """Own the descriptor from now on, and close it in case of an error."""
        self.number = number
        self.size = size
        self.fd = fd
        try:
            # Allocated now, when too little memory is an error that can be caught, and not at the first write.
            os.posix_fallocate(fd, 0, size)
            # All pages at once: one by one, at the first write, takes longer than the copy itself.
            self.memory = mmap.mmap(fd, size, mmap.MAP_SHARED | mmap.MAP_POPULATE)
        except BaseException:
            os.close(fd)
            raise
        self.view = memoryview(self.memory)

    def close(self) -> None:
        """Release the block at the end of a run, when nothing is sent any more. Views of it live on."""
        if self.fd >= 0:
            os.close(self.fd)
        with contextlib.suppress(BufferError):
            self.view.release()
            self.memory.close()


class Arena:
    """The blocks of the sender. One thread may copy into them while another frees some."""

    def __init__(self, most: int = _MAX_BYTES) -> None:
        """`most` is the number of bytes in all blocks together."""
        self._most = most
        self._lock = threading.RLock()
        self._blocks: dict[int, Block] = {}
        self._by_memory: dict[int, Block] = {}
        self._free: list[Block] = []
        self._nbytes = 0
        _ARENAS.add(self)

    def put(self, raw: memoryview) -> memoryview | None:
        """Return a copy of a buffer in a block; None where sharing is not possible, or the buffer is too small."""
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
        """Return the block of a segment, if it is in this arena."""
        return self._by_memory.get(id(segment.obj)) if isinstance(segment, memoryview) else None

    def mark_sent(self, block: Block) -> None:
        """Note that a block is sent; the other side will release it."""

    def free(self, numbers: Iterable[int]) -> None:
        """Use these blocks again."""
        with self._lock:
            for number in numbers:
                block = self._blocks.get(number)
                if block is not None:
                    self._free.append(block)

    def free_views(self, views: Iterable[object]) -> None:
        """Use the blocks of these buffers again, as far as they are in blocks: they will not be sent."""
        self.free([block.number for view in views if (block := self.block_of(view)) is not None])

    def forget(self, numbers: Iterable[int]) -> None:
        """Forget blocks that the other side keeps: they are never written to again."""
        with self._lock:
            for number in numbers:
                block = self._blocks.pop(number, None)
                if block is not None:
                    # Its item may still be shown in an error: the memory is freed with the last view of it.
                    del self._by_memory[id(block.memory)]
                    self._nbytes -= block.size
                    os.close(block.fd)

    def close(self) -> None:
        """Release all blocks; what is still being sent or viewed lives on."""
        with self._lock:
            blocks = list(self._blocks.values())
            self._free.clear()
            self._blocks.clear()
            self._by_memory.clear()
            self._nbytes = 0
        for block in blocks:
            block.close()

    def after_fork(self) -> None:
        """Release all blocks in a forked child; another thread may have held the lock."""
        self._lock = threading.RLock()
        self.close()

    def _taken(self, size: int) -> Block | None:
        """Take the smallest free block that is large enough and not much larger."""
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
            # No memory files on this system, no descriptor, or no memory: the buffer is sent through the socket.
            return None
        self._nbytes += size
        self._blocks[block.number] = self._by_memory[id(block.memory)] = block
        return block


class Mappings:
    """The blocks of the other side, mapped by the receiver."""

    def __init__(self) -> None:
        # Descriptors that have arrived, in order; those that belong to a frame as a whole; those of known blocks.
        self.descriptors: deque[int] = deque()
        self.frame_descriptors: deque[int] = deque()
        self._known: dict[int, int] = {}
        self._open: deque[tuple[int, mmap.mmap]] = deque()
        # Blocks that a forked child may have views of, as long as it runs.
        self._copied: list[int] = []
        _ARENAS.add(self)

    def view(self, number: int, size: int, *, new: bool) -> memoryview:
        """Return the first `size` bytes of a block as private memory; its descriptor is `new`, or known."""
        if new:
            self._known[number] = self.descriptors.popleft()
        memory = mmap.mmap(self._known[number], size, access=mmap.ACCESS_COPY)
        self._open.append((number, memory))
        return memoryview(memory)

    def allocate(self, size: int) -> bytearray | memoryview:
        """Return memory for a segment that comes through the socket."""
        return bytearray(size)

    def released(self) -> tuple[list[int], list[int]]:
        """Return the numbers of the blocks without a view, and of those that are kept."""
        if not self._open and not self._copied:
            return [], []
        free, kept, used = list[int](), list[int](), deque[tuple[int, mmap.mmap]]()
        for number in self._copied:
            os.close(self._known.pop(number))
            kept.append(number)
        self._copied.clear()
        for number, memory in self._open:
            try:
                # This raises while there is any view, also in the frame that brought the block.
                memory.close()
            except BufferError:
                used.append((number, memory))
            else:
                free.append(number)
        while len(used) > _MAX_OPEN:
            number = used.popleft()[0]
            os.close(self._known.pop(number))
            kept.append(number)
        self._open = used
        return free, kept

    def before_fork(self) -> None:
        """Keep the blocks in use: in a child, pages of a view that were not written to follow the block."""
        self._copied += [number for number, _ in self._open]
        self._open.clear()

    def after_fork(self) -> None:
        """Close the descriptors in a forked child."""
        self.close()

    def close(self) -> None:
        """Close all descriptors; views live on."""
        fds = [*self.descriptors, *self.frame_descriptors]
        self.descriptors.clear()
        self.frame_descriptors.clear()
        for fd in fds:
            os.close(fd)
        self.forget()

    def forget(self) -> None:
        """Close the descriptors of the known blocks: the other side has released them."""
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
    """Return the numbers of blocks as bytes."""
    return struct.pack(f"!{len(numbers)}Q", *numbers)


def unpack_numbers(data: bytes | bytearray | memoryview) -> list[int]:
    """Return the numbers of `pack_numbers`."""
    return list(struct.unpack(f"!{len(data) // 8}Q", data))
