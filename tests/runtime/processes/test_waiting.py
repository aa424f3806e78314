"""Waiting for workers: what ends a wait."""

from __future__ import annotations

import math

import pytest

from daglite.runtime.processes.waiting import Waiting


@pytest.mark.parametrize("seconds", [None, 2.0**31, 1e12, math.inf])
def test_wait_may_be_as_long_as_any_time_limit(seconds: float | None) -> None:
    """A selector itself raises for more than 24 days."""
    waiting = Waiting()
    waiting.wake()

    assert waiting.select(seconds) == []
    waiting.close()
