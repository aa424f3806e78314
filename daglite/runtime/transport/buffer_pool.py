"""Memory for large buffers that is used again, as soon as nobody looks at what was in it.

Fresh memory has to be found and cleared by the kernel, page by page, when it is first written to. For eight megabytes
that takes six times as long as the copy itself.
"""

from __future__ import annotations

from collections import deque

# Kept at most: so many bytes, in so many pieces.
_MOST_BYTES = 64 * 1024 * 1024
_MOST_PIECES = 16


class BufferPool:
    """Memory that was handed out, to be handed out again. Any thread may ask for some."""

    def __init__(self) -> None:
        # On the right what was asked for last: processors still know it. Whoever asks whether one is in use has taken
        # it out: no two threads are given the same.
        self._kept: deque[bytearray] = deque()

    def allocate(self, size: int) -> memoryview:
        """Memory of this size that nobody else looks at, with anything in it."""
        found = self._unseen(size)
        return self._keep(bytearray(size)) if found is None else found

    def copy(self, raw: memoryview) -> memoryview:
        """A copy of a buffer, which may be written to."""
        view = self._unseen(raw.nbytes)
        if view is None:
            return self._keep(bytearray(raw))
        view[:] = raw
        return view

    def clear(self) -> None:
        """Keep nothing; what is looked at lives on."""
        self._kept.clear()

    def _unseen(self, size: int) -> memoryview | None:
        for _ in range(len(self._kept)):
            try:
                memory = self._kept.pop()
            except IndexError:
                break
            # Whoever keeps an array keeps all of its memory, so that is hardly larger.
            view = memoryview(memory)[:size] if size <= len(memory) <= size + size // 8 and _is_unseen(memory) else None
            if view is not None:
                self._kept.append(memory)
                return view
            self._kept.appendleft(memory)
        return None

    def _keep(self, memory: bytearray) -> memoryview:
        view = memoryview(memory)
        if 0 < len(memory) <= _MOST_BYTES:
            self._kept.append(memory)
            # First what was found in use, or not asked for in a long time.
            while sum(map(len, list(self._kept))) > _MOST_BYTES or len(self._kept) > _MOST_PIECES:
                self._kept.popleft()
        return view


def _is_unseen(memory: bytearray) -> bool:
    """Whether nobody looks at it: else it refuses to lose a byte. Its place is kept for one that comes back at once."""
    try:
        memory.append(memory.pop())
    except BufferError:
        return False
    return True
