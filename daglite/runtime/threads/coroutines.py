"""The engine for `async def` tasks on threads: coroutines on one event loop, which has a thread of its own.

A worker here is a coroutine that takes a chunk, item after item; so many as there are workers are under way at once.
"""

from __future__ import annotations

import threading

from daglite.functions import Function
from daglite.runtime.codec import Sharing
from daglite.runtime.threads.coroutine import House
from daglite.runtime.threads.desk import DeskSession
from daglite.runtime.threads.thread import Job

__all__ = ["CoroutineSession"]


class CoroutineSession(DeskSession):
    """Up to `workers` coroutines at once."""

    def __init__(self, workers: int) -> None:
        super().__init__(workers, Sharing())
        self._house: House | None = None
        self._leaving: list[House] = []

    def resumes(self, function: Function) -> bool:
        return False

    def _begin(self, job: Job) -> None:
        if self._house is None:
            self._house = House(self.workers, self._desk, self.codec)
            self._tell_of(self._house.thread)
        self._house.begin(job)

    def _threads(self) -> list[threading.Thread]:
        return [] if self._house is None else [self._house.thread]

    def _send_away(self) -> None:
        """Cancel what is under way, with the loop it runs on."""
        house, self._house = self._house, None
        if house is not None:
            house.dismiss()
            self._leaving.append(house)

    def _leave(self) -> list[threading.Thread]:
        leaving, self._leaving = self._leaving, []
        return [house.thread for house in leaving]

    def _late(self, count: int) -> str:
        return "an async task does not let itself be cancelled"
