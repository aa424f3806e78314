"""What the stages of one run share: values, saves, the private event loop, and the engine once it is needed."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, cast

from daglite.functions import Function, Placement
from daglite.lazy import lazy
from daglite.options import Store
from daglite.program import (
    Constant,
    MappedSource,
    Operand,
    Program,
    Stage,
    StageResult,
    Step,
    StreamStage,
    is_pulled,
    operands,
)
from daglite.run_options import RunSettings
from daglite.runtime.dataflow.failure_policy import FailureCounter
from daglite.runtime.dataflow.saves import SaveBook
from daglite.runtime.engines.base import Engine, ObservableEngine
from daglite.runtime.engines.config import Auto, Inline, Processes, Threads, engine_of
from daglite.runtime.engines.cost_model import Answer, PlacementPolicy
from daglite.runtime.engines.processes.worker import inside_worker
from daglite.runtime.engines.worker_queues import WorkerQueue, WorkerQueues
from daglite.runtime.kernel.bound_step import BoundStep
from daglite.runtime.kernel.errors import Cancelled
from daglite.runtime.kernel.event_loop import PrivateLoop
from daglite.runtime.kernel.retry import RetryTracker, portable
from daglite.runtime.local.item_copies import LocalArena
from daglite.runtime.scheduler.single_calls import SingleCalls
from daglite.runtime.scheduler.step_ids import spots_of
from daglite.runtime.serialization.pickler import Codec

if TYPE_CHECKING:
    from daglite.runtime.engines.threads import async_pool as coroutines
    from daglite.runtime.metrics.observers import RunObservers
else:
    coroutines = lazy("daglite.runtime.engines.threads.async_pool")


# Most async calls under way on an event loop, where the task does not say.
_COROUTINES = 32

_log = logging.getLogger("daglite")


class RunContext:
    """The resources of a run. `inline` tells whether everything happens in this process."""

    def __init__(
        self,
        program: Program,
        settings: RunSettings,
        store: Store | None,
        *,
        cancellable: bool = False,
        watch: RunObservers | None = None,
    ) -> None:
        """`watch` is there when somebody listens to the run."""
        self.watch = watch
        self.cancellable = cancellable
        self.cancelled = threading.Event()
        self.retries = settings.worker_retries
        self.seed = settings.seed
        self.failure_counter = FailureCounter(settings.max_failures)
        self.spots = spots_of(program)
        self.loop = PrivateLoop()
        # Folds may run on the helper thread, while the source waits in the other loop.
        self.fold_loop = PrivateLoop()
        self.book = SaveBook(store)
        self.values: dict[int, object] = {}
        self._stages = program.stages
        # Held by whoever waits for workers, while a stream runs.
        self.polling: AbstractContextManager[object] = contextlib.nullcontext()
        # Of streams kept as a list, by stage: the index of each item, where a filter has made gaps.
        self.indices: dict[int, Sequence[int]] = {}
        self.calls = SingleCalls(self.retries, self.failure_counter)
        # All boards of the run, the one of its runtime, and those of the places that tasks ask for.
        self.worker_queues = WorkerQueues()
        self._worker_queue: WorkerQueue | None = None
        self._sites: dict[tuple[Placement, bool], WorkerQueue] = {}
        self._settings = settings
        self._leased = contextlib.ExitStack()
        self._config = engine_of(settings)
        self.inline = isinstance(self._config, Inline)
        if inside_worker() and not self._config.shares:
            # A tree of processes would be nobody's: a run inside a task stays in its worker.
            _log.info("a run inside a worker runs inline")
            self.inline = True
        self._auto = self._config if isinstance(self._config, Auto) and not self.inline else None
        # Waiting work of a run that chooses, on threads of its own.
        self._threads: WorkerQueue | None = None
        # Captures the items of streams that need no worker, so that they mean the same as those that do.
        self.codec: Codec | None = None if self.inline or self._config.shares else Codec("c", LocalArena())
        # Of calls in this process.
        crossing = None if self.codec is None else portable(self.codec)
        self.retry_tracker = RetryTracker(portable=crossing, tell=self.failure_counter.add)

    def worker_queue(self) -> WorkerQueue:
        """The engine, started when something first needs it."""
        if self._worker_queue is None:
            lease = self._config.open()
            assert lease is not None, "an inline run has no board"
            self._worker_queue = self._opened(lease)
        return self._worker_queue

    def worker_queue_at(self, site: Placement | None, *, loops: bool = False) -> WorkerQueue:
        """The workers where tasks ask to run: those of the run, if they are of this kind and as many.

        With `loops` they are coroutines.
        """
        if site is None or (inside_worker() and site.on == "processes"):
            return self.worker_queue()
        key = site, loops
        if key not in self._sites:
            worker_queue = None if loops else self._like(site)
            self._sites[key] = worker_queue or self._opened(_lease_at(site, self._settings, loops=loops))
        return self._sites[key]

    def _like(self, site: Placement) -> WorkerQueue | None:
        """The run's own workers, if they are what the site asks for."""
        if self._config.shares is (site.on == "processes"):
            return None
        worker_queue = self.worker_queue()
        return worker_queue if site.workers in (None, worker_queue.engine.workers) else None

    def begins_here(self, functions: Iterable[Function], *, alone: bool = True) -> bool:
        """Whether tasks begin in this process because the run chooses for itself.

        Not those with a time limit, which only workers can keep, and not while workers do something else: who works
        here cannot look after them. `alone`: nothing else could run at the same time.
        """
        busy = self.calls.in_flight
        limited = any(f.timeout is not None or (f.site is not None and not f.here) for f in functions)
        return self._auto is not None and alone and not busy and not limited

    def choice(self) -> PlacementPolicy:
        """What decides where a stream of a run that chooses goes on."""
        assert self._auto is not None
        return self._auto.choice(started=self._worker_queue is not None)

    def crew(self, answer: Answer) -> WorkerQueue:
        """The workers of this kind, started when something first needs them."""
        if answer == "processes":
            return self.worker_queue()
        if self._threads is None:
            assert self._auto is not None
            self._threads = self._opened(self._auto.threads.open())
        return self._threads

    def _opened(self, lease: AbstractContextManager[Engine]) -> WorkerQueue:
        engine = self._leased.enter_context(lease)
        if self.watch is not None and isinstance(engine, ObservableEngine):
            # An engine that is kept for other runs must not report to this one any more.
            self._leased.callback(engine.listen, None)
            engine.listen(self.watch.worker)
        worker_queue = WorkerQueue(engine, None if self.watch is None else self.watch.batch_recorder(engine))
        self.worker_queues.add(worker_queue)
        return worker_queue

    def error_beside(self) -> BaseException | None:
        """What ends the run whatever its stream is at: it was cancelled, or a single call has failed."""
        return Cancelled("the run was cancelled") if self.cancelled.is_set() else self.calls.error

    def wake(self) -> None:
        """Make whoever waits for the engine look up; from any thread."""
        self.worker_queues.wake()

    def bind(self, step: Step) -> BoundStep:
        """A step with the values of its arguments."""
        arguments = tuple((name, self.value(operand)) for name, operand in step.arguments)
        clocked = self.watch is not None and self.watch.steps
        return BoundStep(
            step.number,
            step.function,
            arguments,
            step.items,
            step.filters,
            timed=clocked,
            limit=step.limit,
            spreads=step.spreads,
            seed=self.seed,
            step_id=self.spots.get(step.number, 0),
        )

    def value(self, operand: Operand) -> object:
        """The value of an argument."""
        if isinstance(operand, Constant):
            return operand.value
        value = self.values[operand.stage]
        return value if operand.limit is None else cast("list[object]", value)[: operand.limit]

    def stream(self, number: int) -> StreamStage:
        """A stage that is a stream."""
        stage = self._stages[number]
        assert isinstance(stage, StreamStage)
        return stage

    def beside_of(self, stage: Stage) -> list[int]:
        """The streams that a stage pulls, in the order of their stages."""
        found = {one.stage for one in operands(stage) if isinstance(one, StageResult)}
        return sorted(number for number in found if is_pulled(self._stages[number]))

    def all_beside(self, stage: Stage) -> Iterator[int]:
        """The streams that are pulled for a stage, by it or by one that it pulls."""
        for number in self.beside_of(stage):
            yield number
            yield from self.all_beside(self._stages[number])

    def indices_of(self, source: MappedSource) -> Sequence[int] | None:
        """What the items of a mapped source are known by, where that is not their place in the list."""
        match source.sources:
            case ((_, StageResult(stage=stage)),):
                return self.indices.get(stage)
            case _:
                return None

    def close(self) -> None:
        """Give the engine back and close the loop."""
        try:
            self.worker_queues.close()
            self._worker_queue = self._threads = None
            self._sites.clear()
            self._leased.close()
        finally:
            self.fold_loop.close()
            self.loop.close()
            self.failure_counter.close()


def _lease_at(site: Placement, settings: RunSettings, *, loops: bool) -> AbstractContextManager[Engine]:
    if loops:
        return contextlib.closing(coroutines.AsyncEngine(site.workers or _COROUTINES))
    if site.on == "threads":
        return Threads(site.workers).open()
    return Processes(site.workers, start_method=settings.start_method).open()
