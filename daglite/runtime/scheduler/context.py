"""Resources that the stages of one run share: values, saves, event loops, and workers once they are needed."""

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
from daglite.runtime.kernel.steps import StepChain
from daglite.runtime.local.item_copies import LocalArena
from daglite.runtime.scheduler.single_calls import SingleCalls
from daglite.runtime.scheduler.step_ids import step_ids
from daglite.runtime.serialization.pickler import Codec

if TYPE_CHECKING:
    from daglite.runtime.engines.threads import async_pool as coroutines
    from daglite.runtime.metrics.observers import RunObservers
else:
    coroutines = lazy("daglite.runtime.engines.threads.async_pool")


# Async calls at the same time on an event loop, if the task does not say how many.
_COROUTINES = 32

_log = logging.getLogger("daglite")


class RunContext:
    """The resources of a run; `inline` if everything runs in this process."""

    def __init__(
        self,
        program: Program,
        settings: RunSettings,
        store: Store | None,
        *,
        cancellable: bool = False,
        observers: RunObservers | None = None,
    ) -> None:
        self.observers = observers
        # Whether each step has a timer, because an observer asks for the time of steps.
        self.timed = observers is not None and observers.steps
        self.cancellable = cancellable
        self.cancelled = threading.Event()
        self.retries = settings.worker_retries
        self.seed = settings.seed
        self.failure_counter = FailureCounter(settings.max_failures)
        self.step_ids = step_ids(program)
        self.loop = PrivateLoop()
        # Folds may run on the helper thread, while the source waits in the other loop.
        self.fold_loop = PrivateLoop()
        self.saves = SaveBook(store)
        self.values: dict[int, object] = {}
        self._stages = program.stages
        # Held while results of workers are taken, when a stream runs.
        self.poll_lock: AbstractContextManager[object] = contextlib.nullcontext()
        # The indices of the items of a stream that is kept as a list, by stage, if a filter has made gaps.
        self.indices: dict[int, Sequence[int]] = {}
        self.calls = SingleCalls(self.retries, self.failure_counter)
        # All queues of the run, by what asks for them: that of its own workers (None), those for the placements that
        # tasks ask for, and threads for tasks that wait, in a run that chooses.
        self.worker_queues = WorkerQueues()
        self._queues: dict[object, WorkerQueue] = {}
        self._settings = settings
        self._leases = contextlib.ExitStack()
        self._config = engine_of(settings)
        self.inline = isinstance(self._config, Inline)
        if inside_worker() and not self._config.shares:
            # A run inside a task stays in its worker: nothing would end processes that a worker starts.
            _log.info("a run inside a worker runs inline")
            self.inline = True
        self._auto = self._config if isinstance(self._config, Auto) and not self.inline else None
        # Serializes the items of streams without workers, so that they give the same as with workers.
        self.codec: Codec | None = None if self.inline or self._config.shares else Codec("c", LocalArena())
        # For calls in this process.
        self.retry_tracker = RetryTracker(
            portable=None if self.codec is None else portable(self.codec), tell=self.failure_counter.add
        )

    def worker_queue(self) -> WorkerQueue:
        """Return the queue of the run's workers, which start when it is first needed."""
        if None not in self._queues:
            lease = self._config.open()
            assert lease is not None, "an inline run has no workers"
            self._queues[None] = self._open_queue(lease)
        return self._queues[None]

    def worker_queue_at(self, placement: Placement | None, *, loops: bool = False) -> WorkerQueue:
        """Return the queue of the workers that tasks ask for: the run's own, if they are of this kind and number.

        With `loops` the workers are coroutines.
        """
        if placement is None or (inside_worker() and placement.on == "processes"):
            return self.worker_queue()
        key = placement, loops
        if key not in self._queues:
            queue = None if loops else self._matching_queue(placement)
            self._queues[key] = queue or self._open_queue(_lease_at(placement, self._settings, loops=loops))
        return self._queues[key]

    def _matching_queue(self, placement: Placement) -> WorkerQueue | None:
        if self._config.shares is (placement.on == "processes"):
            return None
        queue = self.worker_queue()
        return queue if placement.workers in (None, queue.engine.workers) else None

    def starts_locally(self, functions: Iterable[Function], *, others: bool = False) -> bool:
        """Return whether tasks start in this process, because the run chooses for itself.

        Tasks with a time limit do not, as only workers can keep it. Nor do tasks start here while workers run calls,
        whose results this thread must take, or while `others` could run at the same time.
        """
        limited = any(f.timeout is not None or (f.site is not None and not f.here) for f in functions)
        return self._auto is not None and not others and not self.calls.in_flight and not limited

    def placement_policy(self) -> PlacementPolicy:
        """Return what decides where a stream of a run that chooses goes on."""
        assert self._auto is not None
        return self._auto.choice(started=None in self._queues)

    def worker_queue_for(self, answer: Answer) -> WorkerQueue:
        """Return the queue of the workers that a placement policy has chosen."""
        if answer == "processes":
            return self.worker_queue()
        if answer not in self._queues:
            assert self._auto is not None
            self._queues[answer] = self._open_queue(self._auto.threads.open())
        return self._queues[answer]

    def _open_queue(self, lease: AbstractContextManager[Engine]) -> WorkerQueue:
        engine = self._leases.enter_context(lease)
        if self.observers is not None and isinstance(engine, ObservableEngine):
            # An engine that is kept for other runs must not report to the observers of this one.
            self._leases.callback(engine.listen, None)
            engine.listen(self.observers.worker)
        queue = WorkerQueue(engine, None if self.observers is None else self.observers.batch_recorder(engine))
        self.worker_queues.add(queue)
        return queue

    def external_error(self) -> BaseException | None:
        """Return what ends the run from outside its stream: it was cancelled, or a single call has failed."""
        return Cancelled("the run was cancelled") if self.cancelled.is_set() else self.calls.error

    def check(self) -> None:
        """Raise the `external_error`, if there is one."""
        error = self.external_error()
        if error is not None:
            raise error

    def wake(self) -> None:
        """End a wait for workers; may be called from any thread."""
        self.worker_queues.wake()

    def bind(self, step: Step) -> BoundStep:
        """Bind a step to the values of its arguments."""
        arguments = tuple((name, self.value(operand)) for name, operand in step.arguments)
        return BoundStep(
            step.number,
            step.function,
            arguments,
            step.items,
            step.filters,
            timed=self.timed,
            limit=step.limit,
            spreads=step.spreads,
            seed=self.seed,
            step_id=self.step_ids.get(step.number, 0),
        )

    def bind_chain(self, steps: Sequence[BoundStep], loop: PrivateLoop | None = None) -> StepChain:
        """Return steps ready to be called in this process."""
        return StepChain(steps, loop or self.loop, retry_tracker=self.retry_tracker)

    def value(self, operand: Operand) -> object:
        """Return the value of an argument."""
        if isinstance(operand, Constant):
            return operand.value
        value = self.values[operand.stage]
        return value if operand.limit is None else cast("list[object]", value)[: operand.limit]

    def number_of(self, stage: Stage) -> int:
        """Return the number of a stage."""
        return self._stages.index(stage)

    def nested_in(self, stage: Stage) -> dict[int, StreamStage]:
        """Return the streams that a stage pulls, by their numbers."""
        numbers = sorted({one.stage for one in operands(stage) if isinstance(one, StageResult)})
        stages = [(number, self._stages[number]) for number in numbers]
        return {number: one for number, one in stages if isinstance(one, StreamStage) and is_pulled(one)}

    def all_nested(self, stage: Stage) -> Iterator[int]:
        """Return the numbers of the streams that a stage pulls, and of those that these pull."""
        for number, nested in self.nested_in(stage).items():
            yield number
            yield from self.all_nested(nested)

    def indices_of(self, source: MappedSource) -> Sequence[int] | None:
        """Return the indices of the items of a mapped source, if they are not their positions."""
        match source.sources:
            case ((_, StageResult(stage=stage)),):
                return self.indices.get(stage)
            case _:
                return None

    def close(self) -> None:
        """Give the engines back and close the event loops."""
        try:
            self.worker_queues.close()
            self._queues.clear()
            self._leases.close()
        finally:
            self.fold_loop.close()
            self.loop.close()
            self.failure_counter.close()


def _lease_at(placement: Placement, settings: RunSettings, *, loops: bool) -> AbstractContextManager[Engine]:
    if loops:
        return contextlib.closing(coroutines.AsyncEngine(placement.workers or _COROUTINES))
    if placement.on == "threads":
        return Threads(placement.workers).open()
    return Processes(placement.workers, start_method=settings.start_method).open()
