"""Items and parts of folds that die with their worker on a Dask cluster: mended, made again, or named."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import distributed
import pytest

from daglite import DatasetStore, compile, task
from daglite.exceptions import WorkerDiedError, failure_of
from daglite.runtime import Dask
from daglite.runtime.dataflow import tree_reduce as tree_reducer
from daglite.runtime.dataflow.flow_control import FlowControl
from tests.faults.clusters import Cluster
from tests.faults.scripts import noted, starts

pytestmark = pytest.mark.timeout(90)


@pytest.fixture(autouse=True)
def no_process_left() -> None:
    """Dask starts another worker for each that died, in its own time; all end with the commands that started them."""


@task
def count(n: int) -> Iterator[int]:
    yield from range(n)


def test_what_tells_where_a_suspect_is_does_not_stay_with_the_scheduler(cluster: Cluster) -> None:
    def deadly(x: int) -> int:
        if x == 4:
            os.kill(os.getpid(), signal.SIGKILL)
        return x

    stream = count.iter(n=9).then(task(deadly, on_error="skip"))
    assert stream.run(runtime=Dask(cluster.client)) == [0, 1, 2, 3, 5, 6, 7, 8]
    assert cluster.client.run_on_scheduler(marks_of) == []


def marks_of(dask_scheduler: distributed.Scheduler) -> list[str]:
    return [*dask_scheduler.extensions["variables"].variables]


# More than what is sent home at once: parts like this stay with the workers.
PAD = bytes(300_000)
Padded = tuple[list[int], bytes]


@pytest.fixture
def parts_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of some size stay with their workers, though these are few."""
    monkeypatch.setattr(tree_reducer, "RETURNED_BYTES", 0)


def listed(so_far: Padded, x: int) -> Padded:
    return [*so_far[0], x], so_far[1]


@pytest.mark.parametrize("at", [3, 25, 60])
@pytest.mark.usefixtures("parts_stay")
def test_parts_that_died_with_their_worker_are_made_again(
    cluster: Cluster, notes: Path, tmp_path: Path, windows: list[FlowControl], at: int
) -> None:
    """Each item is in the result once and in its place, and is saved once; nothing stays on the cluster or counted."""

    def work(x: int, folder: str) -> int:
        noted(folder, x)
        if x == at and (Path(folder) / str(x)).stat().st_size == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return x

    store = Once(tmp_path / "saved")
    items = count.iter(n=80).then(task(work), folder=str(notes)).save("{iteration_index}", save_store=store)
    start: Padded = ([-1], PAD)
    fold = items.reduce(task(listed), initial=start, combine=lambda a, b: (a[0] + b[0], a[1]), empty=([], PAD))
    assert compile(fold, max_batch_size=1).run(runtime=Dask(cluster.client)) == ([-1, *range(80)], PAD)
    assert store.saved == [str(x) for x in range(80)]
    seen = starts(notes)
    assert set(seen) == set(range(80))
    # Never more than what the groups under way were made of.
    assert sum(seen.values()) <= 2 * 80
    assert cluster.empty_within(5)
    assert [(window.in_flight, window.nbytes) for window in windows] == [(0, 0)]


class Once(DatasetStore):
    """Remembers what it was given."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.saved: list[str] = []

    def save(self, key: str, value: object) -> None:
        self.saved.append(key)


@pytest.mark.usefixtures("parts_stay")
def test_parts_whose_putting_together_kills_are_told(cluster: Cluster) -> None:
    coordinator = os.getpid()

    def fatal(one: Padded, other: Padded) -> Padded:
        if os.getpid() != coordinator:
            os.kill(os.getpid(), signal.SIGKILL)
        return one[0] + other[0], one[1]

    start: Padded = ([], PAD)
    fold = count.iter(n=40).reduce(task(listed), initial=start, combine=task(fatal), empty=start)
    with pytest.raises(WorkerDiedError, match=r"it ran task 'fatal' on partial results of \d+ items; started 3 times") as caught:
        compile(fold, max_batch_size=2).run(runtime=Dask(cluster.client))
    facts = failure_of(caught.value)
    assert facts is not None
    assert (facts.task, facts.index, facts.attempt) == ("fatal", None, 3)


@pytest.mark.usefixtures("parts_stay")
def test_parts_of_what_may_not_start_twice_come_home(cluster: Cluster, notes: Path) -> None:
    """A part that stays may be lost, and then its items would start again."""

    def joined(one: Padded, other: Padded) -> Padded:
        noted(str(notes), os.getpid())
        return one[0] + other[0], one[1]

    start: Padded = ([], PAD)
    careful = task(lambda x: x, name="careful", retry_on_crash=False)
    for items, retries in ((count.iter(n=20).then(careful), 2), (count.iter(n=20).then(task(lambda x: x)), 0)):
        fold = items.reduce(task(listed), initial=start, combine=joined, empty=start)
        plan = compile(fold, max_batch_size=2)
        assert plan.run(runtime=Dask(cluster.client), worker_retries=retries) == ([*range(20)], PAD)
    assert set(starts(notes)) == {os.getpid()}
