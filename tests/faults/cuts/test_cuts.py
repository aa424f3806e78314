"""Machines of a Dask cluster that are cut off, for a while and for good."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from daglite.exceptions import ExecutionError
from tests.faults.cuts.machines import Machines, machines
from tests.faults.cuts.watching import watch, work

pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def here() -> Iterator[Machines]:
    with machines() as found:
        yield found


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("seconds", [5, 45])
def test_a_worker_that_is_cut_off_for_a_while_loses_nothing(here: Machines, seconds: int, ordered: bool) -> None:
    def cut() -> None:
        here.network.cut(1)
        time.sleep(seconds)
        here.network.heal(1)

    seen = watch(work(1000), here.dask, cut, ordered=ordered)
    assert seen.error is None
    assert (seen.items if ordered else sorted(seen.items)) == list(range(1000))


@pytest.mark.parametrize("ordered", [True, False])
def test_a_worker_that_is_cut_off_for_good_loses_nothing(here: Machines, ordered: bool) -> None:
    seen = watch(work(1000), here.dask, lambda: here.network.cut(1), ordered=ordered)
    assert seen.error is None
    assert (seen.items if ordered else sorted(seen.items)) == list(range(1000))
    assert seen.gap < 90


def test_a_scheduler_that_is_cut_off_ends_the_run_in_bounded_time(here: Machines) -> None:
    seen = watch(work(10_000), here.dask, lambda: here.network.cut(0))
    assert isinstance(seen.error, ExecutionError)
    assert "the connection to the Dask scheduler" in str(seen.error)
    assert seen.items == list(range(len(seen.items)))
    assert seen.seconds < 120
