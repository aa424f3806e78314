"""The engine of `async def` tasks on threads: one event loop in a thread of its own, and coroutines on it.

Each coroutine takes one work item, item after item. At most `workers` of them run at once.
"""

from __future__ import annotations

import contextlib
import contextvars
import inspect
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from daglite.exceptions import TaskTimeoutError, TransferError
from daglite.lazy import lazy
from daglite.runtime.engines.threads.fork_guard import end_copy_at_await, guard_this_thread
from daglite.runtime.engines.threads.pool import InProcessEngine
from daglite.runtime.engines.threads.worker import JobQueue, ThreadJob, ThreadProgram
from daglite.runtime.kernel.batch import unsendable_result
from daglite.runtime.kernel.bound_step import BoundStep, bind_arguments
from daglite.runtime.kernel.fused_loop import SKIPPED
from daglite.runtime.kernel.retry import RetryTracker, with_async_retries
from daglite.runtime.kernel.timers import StepTimer, take_reading
from daglite.runtime.kernel.work import BatchContext, WorkResult
from daglite.runtime.serialization.batch_format import encode_counts
from daglite.runtime.serialization.codec import ReferenceCodec
from daglite.runtime.serialization.exceptions import raisable_error
from daglite.runtime.transport.log_forwarding import tag_records_of_this_thread
from daglite.task_context import CURRENT, CurrentCall

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = lazy("asyncio")


# The task that runs, and the index of its item.
_CURRENT_TASK: contextvars.ContextVar[tuple[str, int | None]] = contextvars.ContextVar(
    "daglite_current_task", default=("", None)
)

# A step, its coroutine function of the value before it, and its timer.
AsyncStep = tuple[BoundStep, Callable[[Any], Awaitable[object]], StepTimer | None]


class AsyncWorker:
    """An event loop in a thread of its own, and the coroutines on it."""

    def __init__(self, workers: int, job_queue: JobQueue, codec: ReferenceCodec) -> None:
        self._workers = workers
        self._job_queue = job_queue
        self._codec = codec
        self._dismissed = False
        self._started = threading.Event()
        self._prepared: dict[int, tuple[list[AsyncStep], RetryTracker]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.thread = threading.Thread(target=self._work, name="daglite-loop", daemon=True)
        self.thread.start()
        self._started.wait()

    def begin(self, job: ThreadJob) -> None:
        """Run a job as soon as fewer than `workers` run; from any thread."""
        self._loop.call_soon_threadsafe(self._start, job)

    def dismiss(self) -> None:
        """Cancel all jobs, without results; from any thread."""
        self._dismissed = True
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._end.set)

    # In the thread.

    def _work(self) -> None:
        guard_this_thread()
        tag_records_of_this_thread(_CURRENT_TASK.get)
        # The run is over: what a user's coroutine raises when it is cancelled is not reported.
        with contextlib.suppress(BaseException):
            asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._limit = asyncio.Semaphore(self._workers)
        self._end = asyncio.Event()
        self._started.set()
        await self._end.wait()

    def _start(self, job: ThreadJob) -> None:
        task = self._loop.create_task(self._take(job), context=job.program.context.copy())
        # The event loop holds tasks only weakly.
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _take(self, job: ThreadJob) -> None:
        async with self._limit:
            work_result = await self._run(job)
        if not self._dismissed:
            self._job_queue.leave(work_result)

    async def _run(self, job: ThreadJob) -> WorkResult:
        work_item, worker, began = job.work_item, self.thread.native_id, time.perf_counter()
        try:
            steps, retries = self._prepare(job.program)
            run = _AsyncBatchRun(steps, self._codec, work_item.first_index, work_item.context)
            error = await run.go(self._codec.unpack(work_item.payload)[0])
        except BaseException as raised:
            if self._dismissed:
                raise
            # The coordinator waits for a result, whatever the error is.
            error, trace = raisable_error(raised)
            return WorkResult(work_item.seq, "failed", worker=worker, error=error, traceback=trace)
        if self._dismissed and error is not None:
            raise error
        seconds, cells = time.perf_counter() - began, run.cells()
        timers = [timer for _, _, timer in steps if timer is not None]
        reading = take_reading(began, timers) if timers else None
        # Other batches of the program run on this event loop.
        item_failures = retries.take_item_failures(work_item.first_index, work_item.first_index + work_item.item_count)
        work_result = WorkResult(
            work_item.seq, "done", run.done, -1, seconds, cells, worker, reading=reading, item_failures=item_failures
        )
        if error is None:
            return work_result
        error, trace = raisable_error(error)
        return work_result._replace(kind="failed", step=run.step, error=error, traceback=trace)

    def _prepare(self, program: ThreadProgram) -> tuple[list[AsyncStep], RetryTracker]:
        found = self._prepared.get(program.number)
        if found is None:
            retries = RetryTracker(worker=lambda: self.thread.native_id)
            found = self._prepared[program.number] = [_build_step(step, retries) for step in program.steps], retries
        return found


class _AsyncBatchRun:
    """Runs the steps on a batch; `kernel.batch.BatchRun` does the same for plain functions."""

    def __init__(
        self, steps: Sequence[AsyncStep], codec: ReferenceCodec, first: int, notes: BatchContext | None
    ) -> None:
        self._steps = steps
        self.done = 0
        self.step = -1
        self._codec = codec
        self._first = first
        self._notes = notes or BatchContext()
        self._cells: list[object] = []
        self._marks: list[int] = []

    def cells(self) -> list[object]:
        """Return the results, after their marks where some may have been dropped."""
        filters = any(step.drops for step, _, _ in self._steps)
        return [encode_counts(self._marks), *self._cells] if filters else self._cells

    async def go(self, items: Sequence[object]) -> BaseException | None:
        """Run the steps on the items; return the error that ended it early, if any."""
        for item in items:
            own: list[object] = []
            try:
                await self._take(item, own)
            except BaseException as error:
                return error
            self._cells.extend(own)
            self._marks.append(len(own))
            self.done += 1
        return None

    async def _take(self, value: object, own: list[object]) -> None:
        for step, call, _ in self._steps:
            self.step = step.number
            name, indices = step.function.name, self._notes.indices
            index = self._first + self.done if indices is None else indices[self.done]
            _CURRENT_TASK.set((name, index))
            item = None if self._notes.single else index
            CURRENT.set(CurrentCall(name, step.seed, step.step_id, item, self._first + self.done))
            given = await call(value)
            if given is SKIPPED:
                return
            if not step.filters:
                value = given
            elif not given:
                return
            if step.tapped:
                try:
                    # Copied at once: the next task may change it.
                    own.append(self._codec.snapshot(value))
                except TransferError as error:
                    raise unsendable_result(step, error) from None
        own.append(value)


def _build_step(step: BoundStep, retries: RetryTracker) -> AsyncStep:
    timer = StepTimer(step.number) if step.timed else None
    call = _with_timeout(step, _with_await(step))
    tried = with_async_retries(step, call, timer, retries) if step.function.tries else call
    return step, tried if timer is None else _with_timer(tried, timer), timer


def _with_await(step: BoundStep) -> Callable[[Any], Awaitable[object]]:
    """Return the step as a coroutine function of the value before it; an async generator gives a list of its items."""
    fill = bind_arguments(step)

    async def awaited(value: Any) -> object:
        made = fill(value) if len(step.items) == 1 else fill(*value) if step.items else fill()
        if step.function.kind == "async_generator":
            return [item async for item in cast("AsyncIterator[object]", made)]
        # A wrapper may have awaited it already.
        return await made if inspect.isawaitable(made) else made

    async def called(value: Any) -> object:
        return await end_copy_at_await(step.function.name, awaited(value))

    return called


def _with_timeout(step: BoundStep, call: Callable[[Any], Awaitable[object]]) -> Callable[[Any], Awaitable[object]]:
    seconds = step.function.timeout
    if seconds is None:
        return call

    async def limited(value: Any) -> object:
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                return await call(value)
        except TimeoutError:
            if not limit.expired():
                raise
        name = step.function.name
        raise TaskTimeoutError(f"task '{name}' took longer than its `timeout` of {seconds:g} s; it was cancelled")

    return limited


def _with_timer(call: Callable[[Any], Awaitable[object]], timer: StepTimer) -> Callable[[Any], Awaitable[object]]:
    async def clocked(value: Any) -> object:
        timer.begun += 1
        began = time.perf_counter()
        try:
            given = await call(value)
        finally:
            timer.seconds += time.perf_counter() - began
        timer.returned += 1
        return given

    return clocked


class AsyncEngine(InProcessEngine[AsyncWorker]):
    """An engine of up to `workers` coroutines on one event loop."""

    _late = "an async task does not let itself be cancelled"

    def __init__(self, workers: int) -> None:
        super().__init__(workers, ReferenceCodec())

    def _begin(self, job: ThreadJob) -> None:
        if not self._pool:
            self._add(AsyncWorker(self.workers, self._job_queue, self.codec))
        self._pool[0].begin(job)
