"""The engine protocol: what every engine implements, what only some do, and how engines share one wait."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from daglite.runtime.engines.base import (
    LOCAL_BATCH_POLICY,
    CombiningEngine,
    Engine,
    NotifyingEngine,
    ObservableEngine,
    ResumableEngine,
    SelectorEngine,
    TimedEngine,
)
from daglite.runtime.engines.clusters.engine import ClusterEngine
from daglite.runtime.engines.processes.pool import ProcessEngine
from daglite.runtime.engines.threads.async_pool import AsyncEngine
from daglite.runtime.engines.threads.pool import ThreadEngine
from daglite.runtime.engines.worker_queues import WorkerQueue, WorkerQueues, new_seq
from daglite.runtime.kernel.bound_step import BoundStep
from daglite.runtime.kernel.work import WorkItem, WorkResult
from daglite.runtime.serialization.codec import ReferenceCodec

# A type checker compares each with the protocol.
ENGINES: dict[str, type[Engine]] = {
    "processes": ProcessEngine,
    "threads": ThreadEngine,
    "coroutines": AsyncEngine,
    "clusters": ClusterEngine,
}


class MinimalEngine:
    """Implements `Engine` and nothing more: one worker, which has a result at the next poll."""

    workers = 1
    batch_policy = LOCAL_BATCH_POLICY

    def __init__(self) -> None:
        self.codec = ReferenceCodec()
        self.submitted: list[WorkItem] = []
        self.timeouts: list[float | None] = []

    def install(self, steps: Sequence[BoundStep]) -> int:
        return 0

    def uninstall(self, program: int) -> None: ...

    def credits(self) -> int:
        return 2 - len(self.submitted)

    def has_idle_worker(self) -> bool:
        return not self.submitted

    def max_items(self) -> int | None:
        return None

    def submit(self, work_item: WorkItem) -> None:
        self.submitted.append(work_item)

    def flush(self) -> None: ...

    def poll(self, timeout: float | None) -> Sequence[WorkResult]:
        self.timeouts.append(timeout)
        done, self.submitted = self.submitted, []
        return [WorkResult(work_item.seq, "done", 1) for work_item in done]

    def wake(self) -> None: ...

    def cancel(self) -> None:
        self.submitted.clear()

    def close(self) -> None: ...


class Notifying(MinimalEngine):
    """Also reports results while another engine is waited for, and must be polled after a second."""

    def __init__(self) -> None:
        super().__init__()
        self.callback: Callable[[], None] | None = None

    def notify(self, callback: Callable[[], None] | None) -> None:
        self.callback = callback

    def poll_timeout(self, timeout: float | None) -> float | None:
        return 1.0 if timeout is None else min(timeout, 1.0)


class Watching(MinimalEngine):
    """Also waits for the file descriptors of other engines."""

    def __init__(self, fd: int) -> None:
        super().__init__()
        self.fd = fd
        self.watched: list[int] = []

    def fileno(self) -> int:
        return self.fd

    def watch(self, fd: int, *, on: bool) -> None:
        (self.watched.append if on else self.watched.remove)(fd)


@pytest.mark.parametrize(
    ("protocol", "names"),
    [
        (ObservableEngine, {"processes", "threads", "coroutines", "clusters"}),
        (ResumableEngine, {"processes", "threads", "clusters"}),
        (CombiningEngine, {"clusters"}),
        (SelectorEngine, {"processes"}),
        (NotifyingEngine, {"threads", "coroutines", "clusters"}),
        (TimedEngine, {"processes", "threads", "coroutines", "clusters"}),
    ],
)
def test_engines_have_their_capabilities(protocol: type, names: set[str]) -> None:
    assert {name for name, engine in ENGINES.items() if issubclass(engine, protocol)} == names


def test_the_core_methods_are_enough_for_a_queue() -> None:
    engine, results = MinimalEngine(), list[int]()
    queue = WorkerQueue(engine)
    seqs = [new_seq(), new_seq(), new_seq()]
    queue.submit(WorkItem(seqs[0], 0, "batch", ()), lambda result: results.append(result.seq))
    for seq in seqs[1:]:
        queue.submit_first(WorkItem(seq, 0, "batch", (), exclusive=True), lambda result: results.append(result.seq))
    # The exclusive ones wait for an idle worker, and nothing is sent before them.
    assert [work_item.seq for work_item in engine.submitted] == seqs[:1]
    assert queue.credits() == 0
    assert [queue.poll(None) for _ in seqs] == [1, 1, 1]
    assert results == seqs
    assert not queue.busy
    assert queue.credits() == 2


def test_results_elsewhere_end_the_wait_of_the_engine_that_watches() -> None:
    notifying, first, second = Notifying(), Watching(5), Watching(6)
    queues = WorkerQueues()
    for engine in (notifying, first, second):
        queues.add(WorkerQueue(engine))
    assert notifying.callback == first.wake
    assert (first.watched, second.watched) == ([6], [])
    queues.close()
    assert notifying.callback is None
    assert first.watched == []


def test_a_wait_is_as_short_as_another_engine_needs() -> None:
    notifying, watching = Notifying(), Watching(5)
    queues = WorkerQueues()
    for queue in (WorkerQueue(notifying), WorkerQueue(watching)):
        queues.add(queue)
    # Nothing is in flight: no wait.
    assert queues.poll(None) == 0
    assert watching.timeouts == [0.0]
    queue.submit(WorkItem(new_seq(), 0, "batch", ()), lambda result: None)
    assert queues.poll(None) == 1
    assert watching.timeouts == [0.0, 1.0]
