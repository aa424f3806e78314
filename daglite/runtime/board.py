"""The board: who waits for which reply, and whose turn it is at an idle worker."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import count

from daglite.runtime.codec import Packed
from daglite.runtime.executor import Chunk, ChunkKind, Notes, Reply, Session

__all__ = ["Board", "Handler"]

# For all boards of this process: a pool that serves many runs never sees a number twice.
_NUMBERS = count()

Handler = Callable[[Reply], None]


class Board:
    """One engine shared by the stream that runs and the single calls beside it."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._handlers: dict[int, Handler] = {}
        self._queue: deque[Chunk] = deque()

    def free(self) -> int:
        """How many batches may be submitted now; none while something waits for a worker of its own."""
        return 0 if self._queue else self.session.free()

    def submit(
        self,
        program: int,
        first: int,
        items: int,
        segments: Packed,
        handler: Handler,
        notes: Notes | None = None,
        *,
        light: bool = False,
    ) -> None:
        """Send a batch now; only when there is a `free()` place."""
        chunk = Chunk(self._number(handler), program, "batch", segments, items, first, light=light, notes=notes)
        self.session.submit(chunk)

    def queue(
        self,
        program: int,
        kind: ChunkKind,
        segments: Packed,
        handler: Handler,
        *,
        first: int = 0,
        notes: Notes | None = None,
    ) -> None:
        """Send a chunk of one item as soon as a worker is idle, which then has nothing else to do."""
        self._queue.append(Chunk(self._number(handler), program, kind, segments, 1, first, exclusive=True, notes=notes))
        self._launch()

    def poll(self, timeout: float | None) -> int:
        """Hand out the replies that are here; wait up to `timeout` seconds for one. Returns how many there were."""
        if self._queue:
            self._launch()
        if timeout is None and not self._handlers:
            # Nothing is under way, so nothing could end this wait; workers may be missing all the same.
            timeout = 0.0
        replies = self.session.ready(timeout)
        for reply in replies:
            more = reply.kind == "piece"
            handler = self._handlers[reply.seq] if more else self._handlers.pop(reply.seq)
            handler(reply)
        if self._queue:
            self._launch()
        return len(replies)

    def abandon(self) -> None:
        """Nobody waits for anything any more."""
        self._queue.clear()
        self._handlers.clear()
        self.session.abandon()

    def _number(self, handler: Handler) -> int:
        seq = next(_NUMBERS)
        self._handlers[seq] = handler
        return seq

    def _launch(self) -> None:
        while self._queue and self.session.idle():
            self.session.submit(self._queue.popleft())
            self.session.flush()
