"""An item that kills its worker, wherever that is: its step is known, and it fails like any other or ends the run."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from daglite import Failed, compile, task
from daglite.exceptions import WorkerDiedError
from daglite.options import Runtime


@pytest.fixture(autouse=True)
def no_process_left() -> None:
    """Another worker is started for each that died; all end with the engine, which the tests of this module share."""


@task
def count(n: int) -> Iterator[int]:
    yield from range(n)


def deadly(x: Any, at: int) -> Any:
    if x == at:
        os.kill(os.getpid(), signal.SIGKILL)
    return x


@pytest.mark.parametrize("optimize", [True, False])
def test_an_item_that_kills_its_workers_fails_like_any_other(mortal: Runtime, optimize: bool) -> None:
    """Its worker tells somebody outside at which step it is, who knows it when the worker is gone."""
    same = task(lambda x: x, name="same")
    # Failed items go through the second one as well.
    second: Any = task(deadly, on_error="skip")
    stream = count.iter(n=9).then(same).attempt(task(deadly), at=4).then(second, at=6)
    found: list[Any] = compile(stream, optimize=optimize, max_batch_size=4).run(runtime=mortal)

    assert [one for one in found if not isinstance(one, Failed)] == [0, 1, 2, 3, 5, 7, 8]
    (lost,) = (one for one in found if isinstance(one, Failed))
    assert isinstance(lost.error, WorkerDiedError)
    assert (lost.index, lost.item, lost.failure.attempt) == (4, 4, 3)
    assert "while it ran task 'deadly' on item 4; started 3 times" in str(lost.error)


def test_a_single_call_that_kills_its_worker_can_be_mended(mortal: Runtime) -> None:
    mended = task(deadly, on_error=lambda failed: (type(failed.error).__name__, failed.failure.attempt))
    dead: Any = task(lambda x: x, name="same")(x=3).then(mended, at=3).run(runtime=mortal)
    assert dead == ("WorkerDiedError", 3)


def test_a_step_that_ends_runs_is_not_taken_for_one_that_does_not(mortal: Runtime) -> None:
    guarded = task(lambda x: x, name="guarded", on_error="skip")
    with pytest.raises(WorkerDiedError, match="while it ran task 'guarded -> deadly' on item 2; started 3 times"):
        count.iter(n=4).then(guarded).then(task(deadly), at=2).run(runtime=mortal)
