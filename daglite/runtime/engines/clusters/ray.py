"""Ray as an engine: each parcel is a remote task, started once. The only file that imports Ray.

Ray calls back on a thread of its own when an outcome is there; the coordinator's thread only submits.
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
from daglite.runtime.engines.clusters.messages import Parcel
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
    words_of,
)
from daglite.runtime.engines.clusters.worker import JobResources, run_job
from daglite.scaling import TOLLS

# How often, in seconds, it is asked how many processors there are.
_ASK = 2.0
# After so many seconds without its head Ray ends the program, which hears no exception; we wait for a part of that.
_RECONNECT, _RAY_WAITS, _OUR_PART = "RAY_gcs_rpc_server_reconnect_timeout_s", "60", 0.75
# Parts from this size on go to the store of objects by themselves.
_LARGE = 64 * 1024
_LOST = (WorkerCrashedError, NodeDiedError, OutOfMemoryError)
# How long, in seconds, a worker waits for its mark to be taken; the actor that takes it may have to be started.
_MARK = 30.0
# For a cluster of our own: what its objects may take together.
_STORE = 512 * 1024 * 1024
_NAME = "of Ray"
_SILENT = "the head of the Ray cluster has not answered for {:g} s; what the cluster had under way is lost with it"
_GONE = "the connection to the Ray cluster is lost; what it had under way is lost with it"


class RayTransport:
    """Remote tasks; see `carrier.Carrier`. Ray chooses the worker for each, and has a process for each slot."""

    engine = "Ray"
    rate = TOLLS["ray"].rate

    def __init__(self, close: Callable[[], None]) -> None:
        self.event_queue = EventQueue()
        self._close = close
        # Our own retries are counted by the loop; it must know of each start.
        self._run = ray.remote(run_job).options(max_retries=0, num_cpus=1)
        self._work = ray.remote(_work).options(max_retries=0, num_cpus=1, num_returns=2)
        self._refs: dict[int, ray.ObjectRef[list[bytes]]] = {}
        # Parts that stay with the workers; jobs that leave marks, and who takes these, once one does.
        self._parts: dict[int, ray.ObjectRef[list[bytes]]] = {}
        self._marking: set[int] = set()
        self._marks: ray.ActorHandle | None = None
        self._lock = threading.Lock()
        self._slots = _processors()
        if not self._slots:
            raise ExecutionError("the Ray cluster has no processors (CPU) to run tasks on")
        self._over = threading.Event()
        self._answers: SimpleQueue[int | None] = SimpleQueue()
        self._watching = threading.Thread(target=self._watch, name="daglite-ray", daemon=True)
        self._watching.start()

    def spots(self) -> Sequence[Endpoint]:
        return [Endpoint(_NAME, self._slots, alone=True)]

    def send(self, ticket: int, spot: str, message: Parcel, job_options: JobOptions = PLAIN) -> None:
        if not ray.is_initialized():
            # By itself Ray would start a cluster now.
            raise ExecutionError(_GONE)
        try:
            parts = [ray.put(part) if len(part) >= _LARGE else part for part in message]
            ref = self._run.remote(*parts) if job_options == PLAIN else self._sent(ticket, parts, job_options)
        except RayError as error:
            raise ExecutionError(f"Ray takes no more work: {words_of(error)}") from error
        with self._lock:
            self._refs[ticket] = ref
        ref.future().add_done_callback(partial(self._done, ticket))

    def _sent(self, ticket: int, parts: Sequence[object], job_options: JobOptions) -> ray.ObjectRef[list[bytes]]:
        marks: ray.ActorHandle | None = None
        if job_options.marks:
            self._marking.add(ticket)
            if self._marks is None:
                self._marks = ray.remote(_StepMarks).options(num_cpus=0).remote()
            marks = self._marks
        ref, part = self._work.remote(marks, ticket, *parts, *[self._parts[one] for one in job_options.parts])
        if job_options.keeps:
            self._parts[ticket] = part
        return ref

    def release(self, tickets: Collection[int]) -> None:
        for ticket in tickets:
            self._parts.pop(ticket, None)

    def cancel(self, tickets: Collection[int]) -> None:
        for ticket in tickets:
            with self._lock:
                ref = self._refs.pop(ticket, None)
            self._parts.pop(ticket, None)
            if ref is not None and ray.is_initialized():
                # One that is gone has nothing left to cancel, and says so in many ways.
                with contextlib.suppress(Exception):
                    # It ends the process that is at work: nothing else could stop it.
                    ray.cancel(ref, force=True)

    def drop(self, run: str) -> None:
        """Ray ends the workers of a program with the program; those that go on forget old runs for newer ones."""

    def close(self) -> None:
        self._over.set()
        self._answers.put(None)
        self._watching.join()
        self._parts.clear()
        if self._marks is not None and ray.is_initialized():
            with contextlib.suppress(Exception):
                ray.kill(self._marks)
        self._close()

    def _done(self, ticket: int, future: Future[list[bytes]]) -> None:
        with self._lock:
            if self._refs.pop(ticket, None) is None:
                return
        try:
            self.event_queue.post(JobFinished(ticket, future.result()))
        except ObjectLostError as error:
            self.event_queue.post(JobFailed(ticket, words_of(error), lost=True, missing=True))
        except Exception as error:
            failed = JobFailed(ticket, words_of(error), isinstance(error, _LOST))
            if ticket in self._marking and self._marks is not None:
                # This thread is Ray's own, and must not wait.
                self._marks.take.remote(ticket).future().add_done_callback(partial(self._told, failed))
            else:
                self.event_queue.post(failed)

    def _told(self, failed: JobFailed, mark: Future[int]) -> None:
        try:
            self.event_queue.post(failed._replace(step=mark.result()))
        except Exception:
            self.event_queue.post(failed)

    def _watch(self) -> None:
        poll_timeout = _poll_timeout()
        while not self._over.wait(_ASK):
            # Where the head is gone Ray answers to nobody, not even with an error.
            threading.Thread(target=self._ask, name="daglite-ray-ask", daemon=True).start()
            try:
                slots, text = self._answers.get(timeout=poll_timeout), _GONE
            except Empty:
                slots, text = None, _SILENT.format(poll_timeout)
            if self._over.is_set():
                return
            if slots is None:
                self.event_queue.post(EngineLost(text))
                return
            if bool(slots) is not bool(self._slots):
                self.event_queue.post(NodeJoined(Endpoint(_NAME, slots, alone=True)) if slots else NodeLeft(_NAME))
            self._slots = slots

    def _ask(self) -> None:
        try:
            self._answers.put(_processors() if ray.is_initialized() else None)
        except Exception:
            self._answers.put(None)


def _poll_timeout() -> float:
    """For how long the head may be silent: Ray must not end the program before the run tells of it."""
    return _OUR_PART * float(os.environ.get(_RECONNECT, _RAY_WAITS))


def _work(marks: ray.ActorHandle | None, ticket: int, *message: bytes | Parcel) -> tuple[list[bytes], list[bytes]]:
    """A job that may keep a part, which Ray then keeps as its second result, or leave marks."""
    kept: list[bytes] = []

    def keep(segments: list[bytes]) -> bool:
        kept.extend(segments)
        return True

    mark = None if marks is None else partial(_leave_mark, marks, ticket)
    return run_job(*message, lent=JobResources(keep, mark)), kept


def _leave_mark(marks: ray.ActorHandle, ticket: int, step: int) -> None:
    with contextlib.suppress(Exception):
        ray.get(marks.put.remote(ticket, step), timeout=_MARK)


class _StepMarks:
    """The steps at which workers are, in a process that outlives them."""

    def __init__(self) -> None:
        self._steps: dict[int, int] = {}

    def put(self, ticket: int, step: int) -> int:
        """A worker is at a step; -1: it has gone on."""
        if step < 0:
            self._steps.pop(ticket, None)
        else:
            self._steps[ticket] = step
        return step

    def take(self, ticket: int) -> int:
        """The step at which the worker of a ticket was."""
        return self._steps.pop(ticket, -1)


def _processors() -> int:
    return int(ray.cluster_resources().get("CPU", 0))


def connected(address: str | None, workers: int | None) -> Callable[[], None]:
    """Be connected to a cluster, or to one of our own; returns how to undo what was done for it."""
    if ray.is_initialized():
        if workers is not None or address is not None:
            raise ParameterError("this program is connected to Ray already, and works there: use `Ray()`")
        return _nothing
    # Reports about its use go nowhere from a cluster of ours unless somebody asks for them.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        if address is None:
            # "local": never a cluster that somebody else has started here.
            ray.init(
                address="local", num_cpus=workers, include_dashboard=False, log_to_driver=False,
                object_store_memory=_STORE, _node_ip_address="127.0.0.1",
            )  # fmt: skip
        else:
            ray.init(address=address, log_to_driver=False)
    except (RayError, ConnectionError, RuntimeError, ValueError) as error:
        raise ExecutionError(f"Ray could not be started or reached: {words_of(error)}") from error
    return ray.shutdown


def _nothing() -> None:
    """Whoever connected this program to Ray disconnects it."""
