"""A cluster that is not there: an engine of the real loop whose workers are numbers and whose waits are skipped.

What the coordinator does is done for real and takes its real time: pulling, packing, unpacking, ordering, folding. The
clock of a run is that real time, and on top of it whatever was waited for: `ready` goes straight to the next answer.
What workers fold is folded for real as well, and its time is taken off the clock.
"""

from __future__ import annotations

import contextlib
import heapq
import random
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

from daglite.runtime.engines.base import BatchPolicy, Engine
from daglite.runtime.engines.config import EngineConfig
from daglite.runtime.kernel.batch import BatchRun
from daglite.runtime.kernel.bound_step import BoundStep
from daglite.runtime.kernel.event_loop import PrivateLoop
from daglite.runtime.kernel.steps import StepChain
from daglite.runtime.kernel.work import PartialRef, WorkItem, WorkResult
from daglite.runtime.serialization.pickler import Codec
from daglite.scaling import CLUSTER_BATCH_SECONDS

__all__ = ["Cluster", "Simulated", "Told"]

_CREDITS = 2


@dataclass(frozen=True)
class Cluster:
    """What is assumed of it, in seconds.

    Of each chunk the engine's client takes `client` of the coordinator's time, its scheduler `scheduler` in a queue of
    one, the way there and back twice `way`, and its worker `worker` beside the items. To put parts of a fold together
    takes `merge` for each.

    A share of `stragglers` among the items takes `slow` times as long. Workers die once in `life` seconds of work
    (0: never) and are back after `restart`.
    """

    workers: int
    item: float
    client: float
    scheduler: float
    way: float = 0.0005
    worker: float = 0.0005
    merge: float = 0.0
    stragglers: float = 0.0
    slow: float = 20.0
    life: float = 0.0
    restart: float = 2.0
    seed: int = 0

    @property
    def rate(self) -> float:
        """Chunks a second that the coordinator's side stands."""
        return 1.0 / max(self.client, self.scheduler)


@dataclass
class Told:
    """What a run was like."""

    seconds: float = 0.0
    busy: float = 0.0
    work_items: int = 0
    deaths: int = 0
    most_items: int = 0
    most_bytes: int = 0
    # Parts put together on workers, those that came home, and most of them that workers held.
    merges: int = 0
    roots: int = 0
    most_held: int = 0

    def used(self, cluster: Cluster) -> float:
        """The share of the workers' time that went into items."""
        return self.busy / (self.seconds * cluster.workers) if self.seconds else 0.0


class _Event(NamedTuple):
    at: float
    number: int
    # "begin", "done" or "died" at a worker; "back": the worker is there again; "answer": a reply arrives.
    kind: str
    worker: int
    work_result: WorkResult | None


@dataclass
class _Worker:
    queue: deque[WorkItem] = field(default_factory=deque)
    # When the first of them is done, or its worker dead.
    working: bool = False
    down: bool = False


class _SimulatedEngine:
    """Implements `Engine` with simulated workers and time."""

    def __init__(self, cluster: Cluster, told: Told) -> None:
        self._cluster, self._told = cluster, told
        self.workers = cluster.workers
        aim = max(CLUSTER_BATCH_SECONDS, 2 * cluster.workers / cluster.rate)
        self.batch_policy = BatchPolicy(aim, aim / 8, 8 * 1024 * 1024, 1024 * 1024)
        self.codec = Codec("sim")
        self._random = random.Random(cluster.seed)
        self._numbers, self._order = count(), count()
        self._crew = [_Worker() for _ in range(cluster.workers)]
        # Workers by how much they have; entries that are not up to date are passed over.
        self._heap = [(0, number) for number in range(cluster.workers)]
        self._events: list[_Event] = []
        self._free = _CREDITS * cluster.workers
        self._idle = cluster.workers
        self._chains: dict[int, StepChain] = {}
        # Parts of folds, by ticket: the worker that has it, and its cell.
        self._held: dict[int, tuple[int, object]] = {}
        self._scheduler_free = 0.0
        self._items = self._bytes = 0
        self._began = time.perf_counter()
        self._skipped = 0.0

    def _now(self) -> float:
        return time.perf_counter() - self._began + self._skipped

    def _at(self, at: float, kind: str, worker: int, work_result: WorkResult | None = None) -> None:
        heapq.heappush(self._events, _Event(at, next(self._order), kind, worker, work_result))

    def install(self, steps: Sequence[BoundStep]) -> int:
        program = next(self._numbers)
        self._chains[program] = StepChain(steps, PrivateLoop())
        return program

    def uninstall(self, program: int) -> None: ...

    def credits(self) -> int:
        return self._free

    def has_idle_worker(self) -> bool:
        return self._idle > 0

    def max_items(self) -> None:
        return None

    def submit(self, work_item: WorkItem) -> None:
        self._skipped += self._cluster.client
        load, number = self._lightest()
        heapq.heappush(self._heap, (load + 1, number))
        worker, now = self._crew[number], self._now()
        worker.queue.append(work_item)
        self._free -= 1
        self._idle -= load == 0
        self._items += work_item.item_count
        self._bytes += self.codec.payload_size(work_item.payload)
        told = self._told
        told.most_items, told.most_bytes = max(told.most_items, self._items), max(told.most_bytes, self._bytes)
        self._scheduler_free = max(self._scheduler_free, now) + self._cluster.scheduler
        self._at(self._scheduler_free + self._cluster.way, "begin", number)

    def combine(self, work_item: WorkItem) -> None:
        self.submit(work_item)

    def _lightest(self) -> tuple[int, int]:
        while True:
            load, number = heapq.heappop(self._heap)
            worker = self._crew[number]
            if load == len(worker.queue) and not worker.down:
                return load, number

    def flush(self) -> None: ...

    def poll(self, timeout: float | None) -> Sequence[WorkResult]:
        work_results: list[WorkResult] = []
        until = float("inf") if timeout is None else self._now() + timeout
        while self._events:
            at, now = self._events[0].at, self._now()
            if at > now:
                # With nothing under way the loop looks again and again until a worker is back: that is a wait as well.
                if work_results or (at > until and any([each.kind != "back" for each in self._events])):
                    break
                self._skipped += at - now
            event = heapq.heappop(self._events)
            if event.kind == "answer":
                assert event.work_result is not None
                work_results.append(event.work_result)
            else:
                self._happened(event)
        if not work_results and timeout:
            self._skipped += max(0.0, until - self._now())
        return work_results

    def _happened(self, event: _Event) -> None:
        worker = self._crew[event.worker]
        match event.kind:
            case "begin":
                self._begin(event.at, event.worker)
            case "back":
                worker.down = False
                self._free += _CREDITS
                self._idle += 1
                heapq.heappush(self._heap, (0, event.worker))
            case "done":
                worker.working = False
                assert event.work_result is not None
                self._left(event.worker)
                self._answer(event.at, event.work_result)
                self._begin(event.at, event.worker)
            case _:
                self._die(event.at, event.worker)

    def _begin(self, at: float, number: int) -> None:
        worker, cluster = self._crew[number], self._cluster
        if worker.working or worker.down or not worker.queue:
            return
        work_item = worker.queue[0]
        slow = (
            sum(self._random.random() < cluster.stragglers for _ in range(work_item.item_count))
            if cluster.stragglers
            else 0
        )
        seconds = cluster.worker + cluster.item * (work_item.item_count + slow * (cluster.slow - 1))
        seconds += cluster.merge * len(work_item.partials)
        worker.working = True
        left = self._random.expovariate(1 / cluster.life) if cluster.life else float("inf")
        if left < seconds:
            self._at(at + left, "died", number)
            return
        self._told.busy += seconds - cluster.worker
        self._at(at + seconds, "done", number, self._done(work_item, number, seconds))

    def _done(self, work_item: WorkItem, number: int, seconds: float) -> WorkResult:
        """What a worker answers. A task gives its item, so that what was sent comes back; folds are done."""
        began = time.perf_counter()
        work_result = WorkResult(
            work_item.seq, "done", work_item.item_count, -1, seconds, work_item.payload, number + 1
        )
        if work_item.kind == "combine":
            work_result = self._combined(work_item, number, work_result)
        elif self._chains[work_item.program].folds:
            run = BatchRun(self._chains[work_item.program], self.codec, work_item)
            error = run.run(*self.codec.unpack(work_item.payload))
            assert error is None, error
            work_result = self._kept(work_item, number, run.results, work_result)
        self._skipped -= time.perf_counter() - began
        return work_result

    def _combined(self, work_item: WorkItem, number: int, work_result: WorkResult) -> WorkResult:
        missing = [place for place, part in enumerate(work_item.partials) if part.ticket not in self._held]
        if missing:
            return WorkResult(work_item.seq, "lost", started=False, missing_partials=missing)
        self._told.merges += 1
        self._told.roots += work_item.partial_threshold is None
        call = self._chains[work_item.program].calls[0]
        value, *others = [self.codec.deserialize(self._held.pop(part.ticket)[1]) for part in work_item.partials]
        for other in others:
            value = call((value, other))
        return self._kept(work_item, number, [self.codec.serialize(value)], work_result)

    def _kept(self, work_item: WorkItem, number: int, cells: list[object], work_result: WorkResult) -> WorkResult:
        """The last of the cells is a part, which may stay."""
        nbytes = self.codec.size_of(cells[-1])
        if work_item.partial_threshold is None or nbytes < work_item.partial_threshold:
            return work_result._replace(payload=self.codec.pack(cells))
        self._held[work_item.seq] = (number, cells.pop())
        self._told.most_held = max(self._told.most_held, len(self._held))
        return work_result._replace(payload=self.codec.pack(cells), partial=PartialRef(work_item.seq, nbytes))

    def _left(self, number: int) -> None:
        """The first chunk of a worker is over."""
        worker = self._crew[number]
        work_item = worker.queue.popleft()
        self._items -= work_item.item_count
        self._bytes -= self.codec.payload_size(work_item.payload)
        if not worker.down:
            self._free += 1
            self._idle += not worker.queue
            heapq.heappush(self._heap, (len(worker.queue), number))

    def _die(self, at: float, number: int) -> None:
        worker = self._crew[number]
        self._told.deaths += 1
        self._free -= _CREDITS - len(worker.queue)
        worker.down, worker.working = True, False
        self._held = {ticket: held for ticket, held in self._held.items() if held[0] != number}
        while worker.queue:
            work_item = worker.queue[0]
            self._left(number)
            missing = [place for place, part in enumerate(work_item.partials) if part.ticket not in self._held]
            self._answer(at, WorkResult(work_item.seq, "lost", worker=number + 1, missing_partials=missing))
        self._at(at + self._cluster.restart, "back", number)

    def _answer(self, at: float, work_result: WorkResult) -> None:
        self._told.work_items += 1
        self._at(at + self._cluster.way, "answer", 0, work_result)

    def wake(self) -> None: ...

    def cancel(self) -> None:
        self._events.clear()

    def close(self) -> None:
        self._told.seconds = self._now()


class Simulated(EngineConfig):
    """A runtime for one run; `told` says afterwards what it was like. Its tasks give their items back."""

    shares = False

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.told = Told()

    def open(self) -> contextlib.AbstractContextManager[Engine]:
        return self._open()

    @contextlib.contextmanager
    def _open(self) -> Iterator[Engine]:
        session = _SimulatedEngine(self.cluster, self.told)
        try:
            yield session
        finally:
            session.close()
