"""The engine for `async def` tasks on threads: coroutines on one event loop, which has a thread of its own.

A worker here is a coroutine that takes a chunk, item after item; so many as there are workers are under way at once.
"""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from collections.abc import Sequence
from itertools import count

from daglite.functions import Function
from daglite.runtime.chain import BoundStep
from daglite.runtime.codec import Sharing
from daglite.runtime.executor import Chunk, Hear, Reply, Session
from daglite.runtime.logs import MARKING
from daglite.runtime.streams.batch import HERE
from daglite.runtime.threads.coroutine import House
from daglite.runtime.threads.thread import Desk, Job, Program

__all__ = ["CoroutineSession"]

# Two batches for each worker: one under way, one waiting.
_CREDITS = 2
# How long, in seconds, the end of a run waits for coroutines that do not let themselves be cancelled.
_GRACE = 0.5

_log = logging.getLogger("daglite")


class CoroutineSession:
    """Up to `workers` coroutines at once; see `executor.Session`."""

    attends = False
    pace = HERE

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.codec = Sharing()
        self._numbers = count()
        self._programs: dict[int, Program] = {}
        self._under_way = 0
        self._exclusive: set[int] = set()
        self._house: House | None = None
        self._leaving: list[House] = []
        self._desk = Desk()
        self._alerted: Session | None = None
        self._hear: Hear | None = None
        self._open = True
        MARKING.begin()

    def install(self, steps: Sequence[BoundStep]) -> int:
        number = next(self._numbers)
        self._programs[number] = Program(number, tuple(steps), contextvars.copy_context())
        return number

    def forget(self, program: int) -> None:
        self._programs.pop(program, None)

    def free(self) -> int:
        shared = self._under_way - len(self._exclusive)
        return max(0, _CREDITS * (self.workers - len(self._exclusive)) - shared)

    def idle(self) -> bool:
        return self._under_way < self.workers

    def most(self) -> None:
        return None

    def resumes(self, function: Function) -> bool:
        return False

    def submit(self, chunk: Chunk) -> None:
        if self._house is None:
            self._house = House(self.workers, self._desk, self.codec)
            if self._hear is not None and self._house.thread.native_id is not None:
                self._hear(self._house.thread.native_id, None, None)
        self._under_way += 1
        if chunk.exclusive:
            self._exclusive.add(chunk.seq)
        self._house.begin(Job(chunk, self._programs[chunk.program]))

    def flush(self) -> None:
        """The loop has what was submitted."""

    def ready(self, timeout: float | None) -> Sequence[Reply]:
        replies = self._desk.collect(timeout)
        for reply in replies:
            self._under_way -= 1
            self._exclusive.discard(reply.seq)
        return replies

    def wake(self) -> None:
        self._desk.replies.put(None)

    def attend(self, fd: int, *, on: bool) -> None:
        raise AssertionError("it waits at a lock")

    def alert(self, other: Session | None) -> None:
        self._alerted = other
        self._desk.alerted = None if other is None else other.wake

    def patience(self, timeout: float | None) -> float | None:
        return timeout

    def listen(self, hear: Hear | None) -> None:
        self._hear = hear
        if hear is not None and self._house is not None and self._house.thread.native_id is not None:
            hear(self._house.thread.native_id, None, None)

    def abandon(self) -> None:
        """Cancel what is under way, with the loop it runs on."""
        if self._under_way:
            self._dismiss()

    def recycle(self) -> None:
        self.abandon()
        self._see_off()
        self._programs.clear()

    def close(self) -> None:
        """Cancel everything and wait for it, but not for long."""
        try:
            self._dismiss()
            self._see_off()
        finally:
            if self._open:
                self._open = False
                MARKING.end()

    def _dismiss(self) -> None:
        house, self._house = self._house, None
        if house is not None:
            house.dismiss()
            self._leaving.append(house)
        # Late replies go to the old desk, where nobody looks.
        self._desk = Desk()
        self.alert(self._alerted)
        self._under_way = 0
        self._exclusive.clear()

    def _see_off(self) -> None:
        until = time.monotonic() + _GRACE
        threads = [house.thread for house in self._leaving if house.thread is not threading.current_thread()]
        self._leaving = []
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        if any(thread.is_alive() for thread in threads):
            _log.warning(
                "the run is over, but an async task does not let itself be cancelled; nobody waits for it any more"
            )
