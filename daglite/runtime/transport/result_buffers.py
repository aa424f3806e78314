"""Large results in memory that the coordinator lends to its workers: copied in there, copied out here.

    worker       Borrowed: has no block for a result, so it goes through the socket, with a word how large it was
    coordinator  Lender: makes a block of that size and lends it with the next batch, its descriptor the first time
    worker       copies the next result into the block; the number of the block crosses the socket
    coordinator  copies it out, into memory that was used before, and lends the block again with the next batch

So blocks are always warm, and there are as many as are under way at once. A result is copied out at once because users
keep results, write to them, and fork while they have them: memory of the coordinator's own stands all of that. The
coordinator makes all blocks, so that one place knows how much there is, and too few descriptors are an error where it
can be dealt with. Blocks are nameless memory files, as those for items (see `shared`).
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
# Most that the workers of a pool are lent together; one block may be larger than that, if it is the only one.
_MOST_BYTES = 64 * 1024 * 1024
_LARGEST = 256 * 1024 * 1024
_MOST_BLOCKS = 32


class BufferQuota:
    """What the lenders of one pool have together: how much they may lend, and memory to copy results into."""

    def __init__(self) -> None:
        self.pool = BufferPool()
        self._nbytes = 0
        self._blocks = 0

    def spend(self, size: int) -> bool:
        """Whether there may be one more block, of this size; if so, it counts."""
        if self._blocks == _MOST_BLOCKS or (self._blocks and self._nbytes + size > _MOST_BYTES):
            return False
        self._nbytes += size
        self._blocks += 1
        return True

    def repay(self, size: int) -> None:
        """A block of this size is no more."""
        self._nbytes -= size
        self._blocks -= 1


class ResultBufferPool(Mappings):
    """The coordinator's side, one for each worker."""

    def __init__(self) -> None:
        super().__init__()
        self.quota = BufferQuota()
        self._memories: dict[int, mmap.mmap] = {}
        # What will be lent with the next batch: blocks that are free, and new ones of these sizes.
        self._free: list[int] = []
        self._wanted: list[int] = []

    def view(self, number: int, size: int, *, new: bool) -> memoryview:
        """The first `size` bytes of a block, in memory of this process; the block is free."""
        view = self.quota.pool.allocate(size)
        # Not by `os.preadv`: between two processors the kernel's copy takes twice as long as this one.
        view[:] = memoryview(self._memories[number])[:size]
        self._free.append(number)
        return view

    def allocate(self, size: int) -> bytearray | memoryview:
        return self.quota.pool.allocate(size) if size >= SHARED_BYTES else super().allocate(size)

    def request(self, frame: Frame) -> None:
        """The worker had to send results of these sizes through the socket, and gives blocks back."""
        sizes, back = map(unpack_numbers, frame.segments)
        self._end(back)
        self._wanted = sizes

    def grant(self) -> tuple[Frame, list[int]] | None:
        """What to lend now, and the descriptors of what is new."""
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
        """End all loans: the worker is gone, or begins anew."""
        self._end([*self._memories])
        self._free.clear()
        self._wanted.clear()
        super().close()

    def _end(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            memory = self._memories.pop(number)
            self.quota.repay(len(memory))
            # In a forked child another thread may have been about to copy.
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
    """The worker's side: what it has been lent, and what it would have liked to have."""

    def __init__(self) -> None:
        super().__init__()
        self._spares = BufferPool()
        self._filled: dict[int, Block] = {}
        self._wanted: list[int] = []
        self._back: list[int] = []
        # Whether more was wanted than there is.
        self._short = False

    def put(self, raw: memoryview) -> memoryview | None:
        """A copy of a buffer in a block that is free, else in memory of this process."""
        view = super().put(raw)
        if view is None and raw.nbytes >= SHARED_BYTES:
            if raw.nbytes <= _LARGEST:
                with self._lock:
                    self._wanted.append(raw.nbytes)
            view = self._spares.copy(raw)
        return view

    def sent(self, block: Block) -> None:
        with self._lock:
            self._filled.pop(block.number, None)

    def free(self, numbers: Iterable[int]) -> None:
        """These were filled for nothing."""
        with self._lock:
            self._free += [block for number in numbers if (block := self._filled.pop(number, None)) is not None]

    def reclaim(self) -> None:
        """Nothing that was captured so far will be sent any more."""
        with self._lock:
            self._free += self._filled.values()
            self._filled.clear()

    def receive(self, frame: Frame, fds: deque[int]) -> None:
        """Blocks that may be filled, with the descriptors of new ones."""
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
        """What to tell the lender, if anything."""
        if not self._wanted and not self._back:
            return None
        with self._lock:
            wanted, back, self._wanted, self._back = self._wanted[:_MOST_BLOCKS], self._back, [], []
            if not _can_take(len(wanted)):
                wanted = []
            if self._short:
                # In favour of the largest: there they are worth most, and it is never undone.
                back += [self._dropped(block) for block in self._free if block.size < max(wanted, default=0)]
                self._free = [block for block in self._free if block.number in self._blocks]
        return (
            Frame(Kind.BUFFER_REQUEST, segments=[pack_numbers(wanted), pack_numbers(back)]) if wanted or back else None
        )

    def close(self) -> None:
        super().close()
        self._spares.clear()
        for things in (self._filled, self._wanted, self._back):
            things.clear()

    def _taken(self, size: int) -> Block | None:
        # Of equal ones that which came back last: processors still know it.
        fitting = [block for block in reversed(self._free) if size <= block.size]
        block = min(fitting, key=lambda each: each.size, default=None)
        if block is not None:
            self._free.remove(block)
            self._filled[block.number] = block
        return block

    def _new(self, size: int) -> None:
        """Only the lender makes blocks."""

    def _dropped(self, block: Block) -> int:
        del self._blocks[block.number], self._by_memory[id(block.memory)]
        block.close()
        return block.number


def _can_take(count: int) -> bool:
    """Whether so many more blocks would find descriptors here: what does not fit is lost, and the worker with it."""
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
