"""Send large results through blocks that the coordinator grants to its workers.

    worker       WorkerBuffers: has no block for a result, sends it through the socket and requests a block of its size
    coordinator  ResultBufferPool: makes the block and grants it with the next batch, its descriptor the first time
    worker       copies the next result into the block; the number of the block is sent through the socket
    coordinator  copies it out into reused memory, and grants the block again with the next batch

So blocks stay in the caches, and there are as many as are in use at once. A result is copied out at once because users
keep results, write to them and fork while they have them, which is safe with memory of the coordinator itself. The
coordinator makes all blocks, so that one place counts them, and too few descriptors are an error where it can be
handled. Blocks are anonymous memory files, like those for items (see `shared_memory`).
"""

from __future__ import annotations

import contextlib
import mmap
import os
from collections import deque
from collections.abc import Iterable

from daglite.runtime.transport.buffer_pool import BufferPool
from daglite.runtime.transport.frames import Frame, Kind
from daglite.runtime.transport.shared_memory import (
    SHARED_BYTES,
    Arena,
    Block,
    Mappings,
    new_file,
    new_number,
    pack_numbers,
    unpack_numbers,
)

_ROUND = 64 * 1024
# Most bytes that the workers of a pool have together; a single block may be larger than that.
_MAX_BYTES = 64 * 1024 * 1024
_LARGEST = 256 * 1024 * 1024
_MAX_BLOCKS = 32


class BufferQuota:
    """The limit for the blocks of all workers of a pool, and reused memory to copy results into."""

    def __init__(self) -> None:
        self.pool = BufferPool()
        self._nbytes = 0
        self._blocks = 0

    def spend(self, size: int) -> bool:
        """Count one more block of this size, if the limit allows it."""
        if self._blocks == _MAX_BLOCKS or (self._blocks and self._nbytes + size > _MAX_BYTES):
            return False
        self._nbytes += size
        self._blocks += 1
        return True

    def repay(self, size: int) -> None:
        """Uncount a block of this size."""
        self._nbytes -= size
        self._blocks -= 1


class ResultBufferPool(Mappings):
    """The blocks granted to one worker, in the coordinator."""

    def __init__(self) -> None:
        super().__init__()
        self.quota = BufferQuota()
        self._memories: dict[int, mmap.mmap] = {}
        # Granted with the next batch: blocks that are free, and new ones of these sizes.
        self._free: list[int] = []
        self._wanted: list[int] = []

    def view(self, number: int, size: int, *, new: bool) -> memoryview:
        """Return a copy of the first `size` bytes of a block; the block is then free."""
        view = self.quota.pool.allocate(size)
        # Not by `os.preadv`: between two processors the kernel's copy takes twice as long as this one.
        view[:] = memoryview(self._memories[number])[:size]
        self._free.append(number)
        return view

    def allocate(self, size: int) -> bytearray | memoryview:
        return self.quota.pool.allocate(size) if size >= SHARED_BYTES else super().allocate(size)

    def request(self, frame: Frame) -> None:
        """Take a request for blocks of some sizes, and the blocks that the worker gives back."""
        sizes, back = map(unpack_numbers, frame.segments)
        self._end(back)
        self._wanted = sizes

    def grant(self) -> tuple[Frame, list[int]] | None:
        """Return the frame that grants blocks and the descriptors of the new ones, if there is anything to grant."""
        if not self._free and not self._wanted:
            return None
        numbers, sizes, fds, short = self._free, [0] * len(self._free), list[int](), False
        for wanted in self._wanted:
            size = -(-wanted // _ROUND) * _ROUND
            if not self.quota.spend(size):
                short = True
            elif (number := self._made(size)) is not None:
                numbers.append(number)
                sizes.append(size)
                fds.append(self._known[number])
        self._free, self._wanted = [], []
        segments = [pack_numbers(numbers), pack_numbers(sizes)]
        return Frame(Kind.BUFFERS, number=len(fds), step=int(short), segments=segments), fds

    def close(self) -> None:
        """Release all blocks: the worker is gone, or is reset."""
        self._end([*self._memories])
        self._free.clear()
        self._wanted.clear()
        super().close()

    def _end(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            memory = self._memories.pop(number)
            self.quota.repay(len(memory))
            # In a forked child another thread may have a view of it, to copy it.
            with contextlib.suppress(BufferError):
                memory.close()
            os.close(self._known.pop(number))

    def _made(self, size: int) -> int | None:
        number, fd = new_number(), -1
        try:
            fd = new_file()
            os.ftruncate(fd, size)
            # It has no pages before the worker has it.
            self._memories[number] = mmap.mmap(fd, size, mmap.MAP_SHARED, mmap.PROT_READ)
        except (AttributeError, OSError):
            # Not on this system, or no descriptor: results go on through the socket.
            if fd >= 0:
                os.close(fd)
            self.quota.repay(size)
            return None
        self._known[number] = fd
        return number


class WorkerBuffers(Arena):
    """The blocks that a worker was granted, and those that it requests."""

    def __init__(self) -> None:
        super().__init__()
        self._pool = BufferPool()
        self._filled: dict[int, Block] = {}
        self._wanted: list[int] = []
        self._back: list[int] = []
        # Whether more was requested than there is.
        self._short = False

    def put(self, raw: memoryview) -> memoryview | None:
        """Return a copy of a buffer in a free block, else in memory of this process."""
        view = super().put(raw)
        if view is None and raw.nbytes >= SHARED_BYTES:
            if raw.nbytes <= _LARGEST:
                with self._lock:
                    self._wanted.append(raw.nbytes)
            view = self._pool.copy(raw)
        return view

    def mark_sent(self, block: Block) -> None:
        with self._lock:
            self._filled.pop(block.number, None)

    def free(self, numbers: Iterable[int]) -> None:
        """Use these blocks again, which were filled but not sent."""
        with self._lock:
            self._free += [block for number in numbers if (block := self._filled.pop(number, None)) is not None]

    def reclaim(self) -> None:
        """Use all blocks again that were filled and not sent: no result is under way."""
        with self._lock:
            self._free += self._filled.values()
            self._filled.clear()

    def receive(self, frame: Frame, fds: deque[int]) -> None:
        """Take the blocks of a BUFFERS frame, with the descriptors of new ones."""
        numbers, sizes = map(unpack_numbers, frame.segments)
        with self._lock:
            self._short = frame.step == 1
            for number, size in zip(numbers, sizes, strict=True):
                if not size:
                    self._free.append(self._blocks[number])
                elif (block := _opened(number, size, fds.popleft())) is None:
                    self._back.append(number)
                else:
                    self._blocks[number] = self._by_memory[id(block.memory)] = block
                    self._free.append(block)

    def request(self) -> Frame | None:
        """Return the BUFFER_REQUEST frame, if there is anything to request or to give back."""
        if not self._wanted and not self._back:
            return None
        with self._lock:
            wanted, back, self._wanted, self._back = self._wanted[:_MAX_BLOCKS], self._back, [], []
            if not _can_take(len(wanted)):
                wanted = []
            if self._short:
                # Large results gain most from blocks: give the smaller ones back.
                back += [self._dropped(block) for block in self._free if block.size < max(wanted, default=0)]
                self._free = [block for block in self._free if block.number in self._blocks]
        return (
            Frame(Kind.BUFFER_REQUEST, segments=[pack_numbers(wanted), pack_numbers(back)]) if wanted or back else None
        )

    def close(self) -> None:
        super().close()
        self._pool.clear()
        for things in (self._filled, self._wanted, self._back):
            things.clear()

    def _taken(self, size: int) -> Block | None:
        # Of equal ones the last used, which may still be in a cache of the processor.
        fitting = [block for block in reversed(self._free) if size <= block.size]
        block = min(fitting, key=lambda each: each.size, default=None)
        if block is not None:
            self._free.remove(block)
            self._filled[block.number] = block
        return block

    def _new(self, size: int) -> None:
        """Make no blocks: the coordinator does."""

    def _dropped(self, block: Block) -> int:
        del self._blocks[block.number], self._by_memory[id(block.memory)]
        block.close()
        return block.number


def _can_take(count: int) -> bool:
    """Return whether there are descriptors for `count` more blocks: too few would end the worker."""
    fds: list[int] = []
    try:
        while len(fds) < count + 2:
            fds.append(new_file())
    except (AttributeError, OSError):
        return False
    finally:
        for fd in fds:
            os.close(fd)
    return True


def _opened(number: int, size: int, fd: int) -> Block | None:
    try:
        block = Block(number, size, fd)
    except OSError:
        # Too little memory.
        return None
    # The mapping has a descriptor of its own.
    os.close(fd)
    block.fd = -1
    return block
