"""The board: who waits for which reply, and whose turn it is at an idle worker."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import count

from daglite.runtime.executor import Chunk, ChunkKind, Reply, Session
from daglite.runtime.frames import Segment

__all__ = ["Board", "Handler"]

Handler = Callable[[Reply], None]


class Board:
    """One engine shared by the stream that runs and the single calls beside it."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._numbers = count()
        self._handlers: dict[int, Handler] = {}
        self._queue: deque[Chunk] = deque()

    def free(self) -> int:
        """How many batches may be submitted now; none while something waits for a worker of its own."""
        return 0 if self._queue else self.session.free()

    def submit(self, program: int, segments: Sequence[Segment], handler: Handler) -> None:
        """Send a batch now; only when there is a `free()` place."""
        self.session.submit(self._chunk(program, "batch", segments, handler, exclusive=False))

    def queue(self, program: int, kind: ChunkKind, segments: Sequence[Segment], handler: Handler) -> None:
        """Send a chunk as soon as a worker is idle, which then has nothing else to do."""
        self._queue.append(self._chunk(program, kind, segments, handler, exclusive=True))
        self._launch()

    def poll(self, timeout: float | None) -> int:
        """Hand out the replies that are here; wait up to `timeout` seconds for one. Returns how many there were."""
        self._launch()
        if timeout is None and not self._handlers:
            # Nothing is under way, so nothing could end this wait.
            return 0
        replies = self.session.ready(timeout)
        for reply in replies:
            more = reply.kind == "piece"
            handler = self._handlers[reply.seq] if more else self._handlers.pop(reply.seq)
            handler(reply)
        self._launch()
        return len(replies)

    def _chunk(
        self, program: int, kind: ChunkKind, segments: Sequence[Segment], handler: Handler, *, exclusive: bool
    ) -> Chunk:
        seq = next(self._numbers)
        self._handlers[seq] = handler
        return Chunk(seq, program, kind, segments, exclusive)

    def _launch(self) -> None:
        while self._queue and self.session.idle():
            self.session.submit(self._queue.popleft())
