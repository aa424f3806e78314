"""Streams that are pulled: by a `zip`, which asks each of its two for one item after the other.

    stream --Pulled--> zip <--Pulled-- stream         each with its own source, window and legs
                        |
                        v
                     the stream that pulls, or the ending

They are asked on the thread of the caller, where sources are, and only there may anybody wait.

Streams at work at the same time: one that runs, and those that it pulls. One lock, one helper thread for all.

Only one of them can wait for workers, as there is one wait for all. Whoever does sees to the others as well: what they
have is sent, and what came of it goes on. So none stands still because another is asked.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from daglite.runtime.dataflow.helper_thread import HelperThread
from daglite.runtime.dataflow.source import Closable, close_all
from daglite.runtime.engines.worker_queues import WorkerQueues


class GroupMember(Protocol):
    """A stream with workers. All is called under the lock of the company, but for `check`."""

    def send(self) -> float | None:
        """Send what waits. How long, in seconds, whoever waits may do so because of this one; None: for ever."""
        ...

    def pass_on(self) -> None:
        """Pass on what came of it."""
        ...

    def busy(self) -> bool:
        """Whether anything is under way."""
        ...

    def relieve(self, timeout: float) -> bool:
        """One turn while its caller is stuck; tells whether anything is under way."""
        ...


class StreamGroup:
    """The streams with workers, the one that is pulled by none of them last."""

    def __init__(self, worker_queues: WorkerQueues, *, helper_thread: bool) -> None:
        self.lock = threading.Lock()
        self.helper = HelperThread(self._relieve, worker_queues.wake) if helper_thread else None
        # Nothing is under way any more, because of this error.
        self.stopped: BaseException | None = None
        self._members: list[GroupMember] = []

    def join(self, member: GroupMember) -> None:
        """One more."""
        with self.lock:
            self._members.append(member)

    def leave(self, member: GroupMember) -> None:
        """One less; with the last of them the helper goes."""
        if self.helper is not None:
            self.helper.leave()
        with self.lock:
            self._members.remove(member)
        if not self._members:
            self.close()

    def close(self) -> None:
        """End the helper thread; returns when it is gone."""
        if self.helper is not None:
            self.helper.close()

    def others(self, member: GroupMember) -> Sequence[GroupMember]:
        """All but this one; whoever pulls before those that it pulls, as what goes on there makes room here."""
        if len(self._members) == 1:
            return ()
        return [other for other in reversed(self._members) if other is not member]

    def _relieve(self, timeout: float) -> bool:
        with self.lock:
            if self.helper is None or not self.helper.away() or self.stopped is not None or not self._members:
                return False
            return self._members[-1].relieve(timeout)


class ScopedStream(Protocol):
    """What a stream that pulls others must tell of itself."""

    def claimed(self) -> int:
        """Items that it has, and such as it is asking for."""
        ...

    def check(self) -> None:
        """Raise the error that ends it, if there is one."""
        ...


class PulledDriver(Protocol):
    """A flow, see there."""

    def advance(self) -> bool: ...

    def release(self, nbytes: float) -> None: ...

    def rest(self) -> None: ...

    def close(self) -> None: ...


class StreamScope:
    """Where a stream stands: in what company, and who pulls it (`outer`; None: nobody).

    `flow` is its own, once it has one with workers; `share` the number of streams that share the bytes of a window.
    """

    def __init__(self, stream_group: StreamGroup, outer: StreamScope | None = None, *, share: int = 1) -> None:
        self.stream_group = stream_group
        self.outer = outer
        self.share = share
        self.flow: ScopedStream | None = None
        self.pulled: list[Closable] = []

    def within(self) -> StreamScope:
        """The place of one that this stream pulls."""
        return StreamScope(self.stream_group, self, share=self.share)

    def taken(self) -> int:
        """Places of a window that those who pull have taken, but for that of the item they ask for."""
        return 0 if self.outer is None else self.outer.claimed() + self.outer.taken()

    def claimed(self) -> int:
        """See `taken`."""
        return 0 if self.flow is None else self.flow.claimed()

    def check(self) -> None:
        """Raise what has ended one of those who pull: they do not want an item any more."""
        if self.outer is not None:
            if self.outer.flow is not None:
                self.outer.flow.check()
            self.outer.check()

    def close(self) -> None:
        """End all that is pulled here."""
        close_all(self.pulled)


class NestedStream:
    """The results of a stream, one after the other: an iterator with `close`."""

    def __init__(self, flow: PulledDriver, waiting: deque[tuple[object, float]], check: Callable[[], None]) -> None:
        """`waiting` is where the flow puts its results; `check` raises when nobody wants them any more."""
        self._flow = flow
        self._waiting = waiting
        self._check = check
        self._more = True
        self._error: Exception | None = None
        self._closed = False

    def __iter__(self) -> Iterator[object]:
        return self._all()

    def __next__(self) -> object:
        self._draw()
        if not self._waiting:
            raise StopIteration
        value, nbytes = self._waiting.popleft()
        self._flow.release(nbytes)
        self._flow.rest()
        return value

    def _all(self) -> Iterator[object]:
        """All of them, quicker than asked for one by one."""
        draw, waiting = self._draw, self._waiting
        take, release, rest = waiting.popleft, self._flow.release, self._flow.rest
        try:
            while True:
                draw()
                if not waiting:
                    return
                while waiting:
                    value, nbytes = take()
                    release(nbytes)
                    # The caller is away again, with whoever pulls.
                    rest()
                    yield value
        finally:
            self.close()

    def _draw(self) -> None:
        """See that there is something, if anything is left."""
        while not self._waiting:
            if self._error is not None:
                raise self._error
            if not self._more:
                self.close()
                return
            self._check()
            try:
                self._more = self._flow.advance()
            except Exception as error:
                # What came before it is given before it.
                self._error = error

    def close(self) -> None:
        """End the stream, its source first; once."""
        self._more = False
        if not self._closed:
            self._closed = True
            self._waiting.clear()
            self._flow.close()
