"""The wait for worker processes, and those who end it."""

from __future__ import annotations

import math

import pytest

from daglite.runtime.processes.waiting import Waiting


def test_wake_ups_are_forgotten_together() -> None:
    waiting = Waiting()
    for _ in range(1000):
        waiting.wake()
    assert waiting.select(None) == []
    assert waiting.selector.select(0) == []
    waiting.close()


@pytest.mark.parametrize("seconds", [2.0**31, 1e12, math.inf])
def test_wait_may_be_as_long_as_any_time_limit(seconds: float) -> None:
    """A selector itself raises for more than 24 days."""
    waiting = Waiting()
    waiting.wake()

    assert waiting.select(seconds) == []
    waiting.close()
