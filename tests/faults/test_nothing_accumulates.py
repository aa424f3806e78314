"""Many runs, with every kind of ending, leave no more behind than a few: no descriptor, thread, zombie, memory."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path

import multiprocess
import pytest

from daglite import DatasetStore, compile, task
from daglite.exceptions import TaskTimeoutError, WorkerDiedError
from daglite.options import RuntimeName
from daglite.runtime import Processes
from tests.conftest import held, left_running
from tests.tasks import add, count, double

pytestmark = pytest.mark.timeout(100)
RUNS = 60
WARM_RUNS = 300
MIB = 1024 * 1024


def die_at_5(x: int, folder: str) -> int:
    """Kills its worker: once, where a folder is given, else each time."""
    if x == 5 and not (folder and Path(folder, "died").exists()):
        if folder:
            Path(folder, "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def good(folder: str, crew: RuntimeName) -> None:
    store = DatasetStore(folder)
    items = count.iter(n=30).save("{iteration_index}", save_store=store)
    assert items.then(double).reduce(add, initial=0).run(runtime=crew, workers=2) == 870


def large(folder: str, crew: RuntimeName) -> None:
    sizes = count.iter(n=3).then(task(lambda x: bytes(MIB), name="large")).then(task(len)).run(runtime=crew, workers=2)
    assert sizes == [MIB] * 3


def failed(folder: str, crew: RuntimeName) -> None:
    with pytest.raises(ZeroDivisionError, match="division"):
        count.iter(n=30).then(task(lambda x: 1 // (x - 7))).run(runtime=crew, workers=2)


def failed_source(folder: str, crew: RuntimeName) -> None:
    @task
    def broken() -> Iterator[int]:
        yield 1
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        broken.iter().then(double).run(runtime=crew, workers=2)


def left_early(folder: str, crew: RuntimeName) -> None:
    with compile(count.iter(n=10_000).then(double)).stream(runtime=crew, workers=2) as items:
        assert next(items) == 0


def dropped(folder: str, crew: RuntimeName) -> None:
    next(compile(count.iter(n=10_000).then(double)).stream(runtime=crew, workers=2))


def recovered(folder: str, crew: RuntimeName) -> None:
    Path(folder, "died").unlink(missing_ok=True)
    assert count.iter(n=10).then(task(die_at_5), folder=folder).run(workers=2) == list(range(10))


def died(folder: str, crew: RuntimeName) -> None:
    with pytest.raises(WorkerDiedError, match="SIGKILL"):
        count.iter(n=10).then(task(die_at_5), folder="").run(workers=2, worker_retries=0)


def timed_out(folder: str, crew: RuntimeName) -> None:
    forever = task(lambda x: signal.pause(), name="forever", timeout=0.05)
    with pytest.raises(TaskTimeoutError, match="task 'forever'"):
        count.iter(n=3).then(forever).run(workers=2)


def cancelled(folder: str) -> None:
    async def main() -> None:
        running = asyncio.ensure_future(count.iter(n=10**7).then(double).run_async(workers=1, start_method="fork"))
        await asyncio.sleep(0.02)
        running.cancel()
        with pytest.raises(asyncio.CancelledError, match=r"^$"):
            await running

    asyncio.run(main())


def called(folder: str, crew: RuntimeName) -> None:
    assert double(x=21).run(runtime=crew, workers=1) == 42
    assert compile(count.iter(n=10), optimize=False).run(runtime=crew, workers=1) == list(range(10))


# `cancelled` starts its workers in a thread; forked there, as it is quick and the other threads hold nothing.
COMMON: list[Callable[[str, RuntimeName], None]] = [good, large, failed, failed_source, left_early, dropped, called]
ENDINGS: dict[RuntimeName, list[Callable[[str, RuntimeName], None]]] = {
    "threads": COMMON,
    "processes": [*COMMON, recovered, died, timed_out],
}


def resident() -> int:
    """Bytes of memory in use now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture(autouse=True)
def _marked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Semaphores of this process and of its workers have a name that tells whose they are."""
    monkeypatch.setitem(vars(multiprocess.process.current_process())["_config"], "semprefix", f"/daglite-{os.getpid()}")


def shared() -> set[str]:
    """Shared memory with a name: not that of other programs, which may come and go meanwhile."""
    return {one.name for one in Path("/dev/shm").iterdir() if "daglite" in one.name}


def grown_by(runs: Callable[[], None]) -> int:
    """How many bytes of memory the runs leave; nothing else may be left of them."""
    gc.collect()
    before, descriptors, processes, blocks = resident(), held(), left_running(), shared()
    runs()
    gc.collect()
    assert held().keys() <= descriptors.keys()
    assert left_running().keys() <= processes.keys()
    assert shared() <= blocks
    return resident() - before


def test_runs_of_all_endings_leave_nothing(crew: RuntimeName, tmp_path: Path, nothing_left: None) -> None:
    def run(times: int) -> None:
        for sink in islice(cycle(ENDINGS[crew]), times):
            sink(str(tmp_path), crew)

    run(len(ENDINGS[crew]))
    assert grown_by(lambda: run(RUNS)) < 8 * MIB


def test_cancelled_runs_leave_nothing(tmp_path: Path, nothing_left: None) -> None:
    def run(times: int) -> None:
        for _ in range(times):
            cancelled(str(tmp_path))

    run(1)
    assert grown_by(lambda: run(5)) < 8 * MIB


@task
def memory_used(_: int, ballast: bytes) -> int:
    return resident()


def test_runs_on_kept_workers_leave_nothing_in_them(nothing_left: None) -> None:
    """Neither in the coordinator nor in the worker, although each run brings functions and values of its own."""
    used: list[int] = []
    with Processes(workers=1) as pool:

        def run(times: int) -> None:
            for n in range(times):
                local = task(lambda x, n=n: x + n - n, name="local")
                fixed = bytes(100_000 + n)
                used[:] = count.iter(n=1).then(local).then(memory_used, ballast=fixed).run(runtime=pool)

        run(30)
        before = used[0]
        assert grown_by(lambda: run(WARM_RUNS)) < 8 * MIB
        assert used[0] - before < 8 * MIB
