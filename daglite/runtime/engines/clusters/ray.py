"""Run jobs on a Ray cluster. The only module that imports Ray.

    coordinator's thread            threads of Ray                    cluster
    send, cancel, release --------> remote task, started once ------> a worker process that Ray chooses
    event queue <------------------ _on_done: JobFinished, JobFailed <-- result of the task
    event queue <------------------ _watch: NodeJoined, NodeLeft, EngineLost, by the number of processors

A partial that stays with the workers is the second result of its task; the step that a worker reports is kept by an
actor, which outlives the worker.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from functools import partial
from queue import Empty, SimpleQueue

import ray
from ray.exceptions import NodeDiedError, ObjectLostError, OutOfMemoryError, RayError, WorkerCrashedError

from daglite.exceptions import ExecutionError, ParameterError
from daglite.runtime.engines.clusters.messages import Message
from daglite.runtime.engines.clusters.transport import (
    PLAIN,
    Endpoint,
    EngineLost,
    EventQueue,
    JobFailed,
    JobFinished,
    JobOptions,
    NodeJoined,
    NodeLeft,
    error_line,
)
from daglite.runtime.engines.clusters.worker import JobResources, run_job
from daglite.scaling import ENGINE_COSTS

# Seconds between two questions for the number of processors.
_ASK_INTERVAL = 2.0
# Seconds that a cancelled task has to end by itself.
_CANCEL_GRACE = 1.0
# After this number of seconds without its head Ray ends the program, without an exception. The run ends before that.
_RECONNECT, _RECONNECT_DEFAULT, _OUR_SHARE = "RAY_gcs_rpc_server_reconnect_timeout_s", "60", 0.75
# Parts of a message from this size on go to the object store by themselves.
_LARGE = 64 * 1024
_WORKER_LOST = (WorkerCrashedError, NodeDiedError, OutOfMemoryError)
# Seconds that a worker waits until its step is stored; the actor for it may have to be started.
_REPORT_TIMEOUT = 30.0
# The size of the object store of a cluster of our own, in bytes.
_STORE_BYTES = 512 * 1024 * 1024
_NAME = "of Ray"
_SILENT = "the head of the Ray cluster has not answered for {:g} s; what the cluster had under way is lost with it"
_GONE = "the connection to the Ray cluster is lost; what it had under way is lost with it"


class RayTransport:
    """Remote tasks; see `Transport`. Ray chooses the worker of each, and has one process for each slot."""

    name = "Ray"
    rate = ENGINE_COSTS["ray"].rate

    def __init__(self, close: Callable[[], None]) -> None:
        self.event_queue = EventQueue()
        self._close = close
        # The coordinator's loop counts the starts, so Ray must not start a task again.
        self._run = ray.remote(run_job).options(max_retries=0, num_cpus=1)
        self._run_with_partial = ray.remote(_run_task).options(max_retries=0, num_cpus=1, num_returns=2)
        self._refs: dict[int, ray.ObjectRef[list[bytes]]] = {}
        # Partials that stay with the workers; jobs that report steps; the actor for the steps, from the first one on.
        self._partials: dict[int, ray.ObjectRef[list[bytes]]] = {}
        self._reporting: set[int] = set()
        self._step_store: ray.ActorHandle | None = None
        # Jobs that were cancelled and may still run.
        self._cancelled: list[ray.ObjectRef[list[bytes]]] = []
        self._lock = threading.Lock()
        self._slots = _processors()
        if not self._slots:
            raise ExecutionError("the Ray cluster has no processors (CPU) to run tasks on")
        self.endpoints: Sequence[Endpoint] = [Endpoint(_NAME, self._slots, pooled=True)]
        self._closed = threading.Event()
        self._answers: SimpleQueue[int | None] = SimpleQueue()
        self._watcher = threading.Thread(target=self._watch, name="daglite-ray", daemon=True)
        self._watcher.start()

    def send(self, ticket: int, endpoint: str, message: Message, job_options: JobOptions = PLAIN) -> None:
        if not ray.is_initialized():
            # By itself Ray would start a cluster now.
            raise ExecutionError(_GONE)
        try:
            inputs = [ray.put(part) if len(part) >= _LARGE else part for part in message]
            ref = self._run.remote(*inputs) if job_options == PLAIN else self._send(ticket, inputs, job_options)
        except RayError as error:
            raise ExecutionError(f"Ray takes no more work: {error_line(error)}") from error
        with self._lock:
            self._refs[ticket] = ref
        ref.future().add_done_callback(partial(self._on_done, ticket))

    def _send(self, ticket: int, inputs: Sequence[object], job_options: JobOptions) -> ray.ObjectRef[list[bytes]]:
        step_store: ray.ActorHandle | None = None
        if job_options.reports_step:
            self._reporting.add(ticket)
            if self._step_store is None:
                self._step_store = ray.remote(_StepStore).options(num_cpus=0).remote()
            step_store = self._step_store
        partials = [self._partials[one] for one in job_options.partials]
        ref, kept = self._run_with_partial.remote(step_store, ticket, *inputs, *partials)
        if job_options.keeps_partial:
            self._partials[ticket] = kept
        return ref

    def release(self, tickets: Collection[int]) -> None:
        for ticket in tickets:
            self._partials.pop(ticket, None)

    def cancel(self, tickets: Collection[int]) -> None:
        for ticket in tickets:
            with self._lock:
                ref = self._refs.pop(ticket, None)
            self._partials.pop(ticket, None)
            if ref is not None and ray.is_initialized():
                # A task that is gone has nothing left to cancel, and says so in many ways.
                with contextlib.suppress(Exception):
                    # It raises KeyboardInterrupt in a task that runs. Killing its process at once could meet its result
                    # on the way, at which Ray 2.60 ends the program of the user.
                    ray.cancel(ref, force=False)
                    self._cancelled.append(ref)

    def _kill_cancelled(self, timeout: float) -> None:
        """Kill the processes of cancelled jobs that have not ended in `timeout` seconds: nothing else stops them."""
        refs, self._cancelled = self._cancelled, []
        if refs and ray.is_initialized():
            with contextlib.suppress(Exception):
                _, running = ray.wait(refs, num_returns=len(refs), timeout=timeout)
                for ref in running:
                    ray.cancel(ref, force=True)

    def drop(self, run: str) -> None:
        """Do nothing: Ray ends the workers of a program with it; those of a program that goes on forget old runs."""

    def close(self) -> None:
        self._closed.set()
        self._answers.put(None)
        self._watcher.join()
        self._kill_cancelled(_CANCEL_GRACE)
        self._partials.clear()
        if self._step_store is not None and ray.is_initialized():
            with contextlib.suppress(Exception):
                ray.kill(self._step_store)
        self._close()

    def _on_done(self, ticket: int, future: Future[list[bytes]]) -> None:
        with self._lock:
            if self._refs.pop(ticket, None) is None:
                return
        try:
            self.event_queue.post(JobFinished(ticket, future.result()))
        except ObjectLostError as error:
            self.event_queue.post(JobFailed(ticket, error_line(error), lost=True, partials_lost=True))
        except Exception as error:
            failed = JobFailed(ticket, error_line(error), isinstance(error, _WORKER_LOST))
            if ticket in self._reporting and self._step_store is not None:
                # This thread is Ray's own, and must not wait.
                step = self._step_store.take.remote(ticket).future()
                step.add_done_callback(partial(self._post_with_step, failed))
            else:
                self.event_queue.post(failed)

    def _post_with_step(self, failed: JobFailed, step: Future[int]) -> None:
        with contextlib.suppress(Exception):
            failed = failed._replace(step=step.result())
        self.event_queue.post(failed)

    def _watch(self) -> None:
        # The run must end before Ray ends the program.
        timeout = _OUR_SHARE * float(os.environ.get(_RECONNECT, _RECONNECT_DEFAULT))
        while not self._closed.wait(_ASK_INTERVAL):
            # When the head is gone, Ray's answer never comes, not even as an error.
            threading.Thread(target=self._ask, name="daglite-ray-ask", daemon=True).start()
            try:
                slots, text = self._answers.get(timeout=timeout), _GONE
            except Empty:
                slots, text = None, _SILENT.format(timeout)
            if self._closed.is_set():
                return
            self._kill_cancelled(_CANCEL_GRACE)
            if slots is None:
                self.event_queue.post(EngineLost(text))
                return
            if bool(slots) is not bool(self._slots):
                self.event_queue.post(NodeJoined(Endpoint(_NAME, slots, pooled=True)) if slots else NodeLeft(_NAME))
            self._slots = slots

    def _ask(self) -> None:
        try:
            self._answers.put(_processors() if ray.is_initialized() else None)
        except Exception:
            self._answers.put(None)


def _run_task(
    step_store: ray.ActorHandle | None, ticket: int, *message: bytes | Message
) -> tuple[list[bytes], list[bytes]]:
    """Run a job that may keep a partial, which Ray keeps as the second result, or report steps."""
    kept: list[bytes] = []

    def keep(segments: list[bytes]) -> bool:
        kept.extend(segments)
        return True

    def report(step: int) -> None:
        if step_store is not None:
            with contextlib.suppress(Exception):
                ray.get(step_store.put.remote(ticket, step), timeout=_REPORT_TIMEOUT)

    return run_job(*message, resources=JobResources(keep, report)), kept


class _StepStore:
    """An actor that keeps the step that each worker is at."""

    def __init__(self) -> None:
        self._steps: dict[int, int] = {}

    def put(self, ticket: int, step: int) -> int:
        """Store the step of a job; -1 means that it has gone on."""
        if step < 0:
            self._steps.pop(ticket, None)
        else:
            self._steps[ticket] = step
        return step

    def take(self, ticket: int) -> int:
        """Remove and return the step of a job, -1 for none."""
        return self._steps.pop(ticket, -1)


def _processors() -> int:
    return int(ray.cluster_resources().get("CPU", 0))


def connect(address: str | None, workers: int | None) -> Callable[[], None]:
    """Connect to a cluster, or start one for this program; return a function that undoes what this call did.

    Raises `ParameterError` when the program is connected already and an argument is given, and `ExecutionError` when
    Ray cannot be started or reached.
    """
    if ray.is_initialized():
        if workers is not None or address is not None:
            raise ParameterError("this program is connected to Ray already, and works there: use `Ray()`")
        return lambda: None
    # A cluster of our own reports its use to no one, unless the environment asks for it.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        if address is None:
            # "local": a new cluster, never one that was started here by others.
            ray.init(
                address="local", num_cpus=workers, include_dashboard=False, log_to_driver=False,
                object_store_memory=_STORE_BYTES, _node_ip_address="127.0.0.1",
            )  # fmt: skip
        else:
            ray.init(address=address, log_to_driver=False)
    except (RayError, ConnectionError, RuntimeError, ValueError) as error:
        raise ExecutionError(f"Ray could not be started or reached: {error_line(error)}") from error
    return ray.shutdown
