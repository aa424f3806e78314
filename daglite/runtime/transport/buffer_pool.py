"""Reuse the memory of large buffers when no object refers to it any more.

The kernel finds and clears fresh memory page by page, when it is first written to. For eight megabytes that takes six
times as long as the copy itself.
"""

from __future__ import annotations

from collections import deque

# The most memory that is kept, in bytes and in buffers.
_MAX_BYTES = 64 * 1024 * 1024
_MAX_BUFFERS = 16


class BufferPool:
    """Buffers that are reused. Any thread may allocate."""

    def __init__(self) -> None:
        # The last used is on the right: it may still be in a cache of the processor. A thread takes a buffer out before
        # it checks whether it is in use, so no two threads get the same.
        self._kept: deque[bytearray] = deque()

    def allocate(self, size: int) -> memoryview:
        """Return memory of this size that is not in use, with any contents."""
        found = self._unused(size)
        return self._keep(bytearray(size)) if found is None else found

    def copy(self, raw: memoryview) -> memoryview:
        """Return a copy of a buffer, which may be written to."""
        view = self._unused(raw.nbytes)
        if view is None:
            return self._keep(bytearray(raw))
        view[:] = raw
        return view

    def clear(self) -> None:
        """Drop all buffers; those in use live on."""
        self._kept.clear()

    def _unused(self, size: int) -> memoryview | None:
        for _ in range(len(self._kept)):
            try:
                memory = self._kept.pop()
            except IndexError:
                break
            # An array keeps all of its memory alive, so that is hardly larger.
            view = memoryview(memory)[:size] if size <= len(memory) <= size + size // 8 and _is_unused(memory) else None
            if view is not None:
                self._kept.append(memory)
                return view
            self._kept.appendleft(memory)
        return None

    def _keep(self, memory: bytearray) -> memoryview:
        view = memoryview(memory)
        if 0 < len(memory) <= _MAX_BYTES:
            self._kept.append(memory)
            # Drop those first that were in use, or not used for a long time.
            while sum(map(len, list(self._kept))) > _MAX_BYTES or len(self._kept) > _MAX_BUFFERS:
                self._kept.popleft()
        return view


def _is_unused(memory: bytearray) -> bool:
    """Return whether no view of a buffer exists: with one it cannot be resized. A byte is removed and put back."""
    try:
        memory.append(memory.pop())
    except BufferError:
        return False
    return True
