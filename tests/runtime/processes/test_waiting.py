"""The wait for worker processes, and those who end it."""

from __future__ import annotations

from daglite.runtime.processes.waiting import Waiting


def test_wake_ups_are_forgotten_together() -> None:
    waiting = Waiting()
    for _ in range(1000):
        waiting.wake()
    assert waiting.select(None) == []
    assert waiting.selector.select(0) == []
    waiting.close()
