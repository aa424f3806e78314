"""The wait for worker processes: when it sleeps, and when it looks again and again."""

from __future__ import annotations

import itertools
import math
import selectors
import time
from collections.abc import Iterator

import pytest

from daglite.runtime.engines.processes.selector import WorkerSelector

# A key of `WorkerSelector` itself, for which nothing is found.
WOKEN = [(selectors.SelectorKey(0, 0, selectors.EVENT_READ, None), selectors.EVENT_READ)]
BRIEF = 0.001


class Looks:
    """Stands for the selector: something is there at the `found`-th look, counted by everybody."""

    def __init__(self, found: int) -> None:
        self.found = found
        self.timeouts: list[float | None] = []

    def select(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        self.timeouts.append(timeout)
        return WOKEN if len(self.timeouts) >= self.found else []


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkerSelector]:
    """With a clock that goes on by a twentieth of a millisecond with each look at it."""
    ticks = itertools.count()
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks) * 0.00005)
    made = WorkerSelector()
    yield made
    made.close()


def looks(
    waiting: WorkerSelector, patch: pytest.MonkeyPatch, timeout: float | None, *, found: int
) -> list[float | None]:
    """How long each look of this wait was willing to sleep."""
    seen = Looks(found)
    with patch.context() as patched:
        patched.setattr(waiting.selector, "select", seen.select)
        waiting.select(timeout)
    return seen.timeouts


def test_an_answer_that_came_at_once_is_looked_for_without_sleep_the_next_time(
    waiting: WorkerSelector, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert looks(waiting, monkeypatch, BRIEF, found=1) == [BRIEF]
    assert looks(waiting, monkeypatch, BRIEF, found=3) == [0, 0, 0]
    assert looks(waiting, monkeypatch, BRIEF, found=3) == [0, 0, 0]


def test_it_does_not_look_for_long_and_then_not_again(waiting: WorkerSelector, monkeypatch: pytest.MonkeyPatch) -> None:
    looks(waiting, monkeypatch, BRIEF, found=1)
    *early, last = looks(waiting, monkeypatch, BRIEF, found=10**9)
    assert set(early) == {0}
    assert len(early) <= 10
    assert last == BRIEF
    # The task takes longer now: nothing is looked for in vain.
    assert looks(waiting, monkeypatch, BRIEF, found=1) == [BRIEF]


@pytest.mark.parametrize("timeout", [None, 0.0, 0.002, 60.0])
def test_other_waits_sleep_whatever_came_before(
    timeout: float | None, waiting: WorkerSelector, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks(waiting, monkeypatch, BRIEF, found=1)
    assert looks(waiting, monkeypatch, timeout, found=5) == [timeout]


def test_wake_ups_are_forgotten_together() -> None:
    waiting = WorkerSelector()
    for _ in range(1000):
        waiting.wake()
    assert waiting.select(None) == []
    assert waiting.selector.select(0) == []
    waiting.close()


@pytest.mark.parametrize("seconds", [2.0**31, 1e12, math.inf])
def test_wait_may_be_as_long_as_any_time_limit(seconds: float) -> None:
    """A selector itself raises for more than 24 days."""
    waiting = WorkerSelector()
    waiting.wake()

    assert waiting.select(seconds) == []
    waiting.close()
