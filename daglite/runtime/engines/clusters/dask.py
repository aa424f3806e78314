"""Run jobs on a Dask cluster. The only module that imports Dask.

    coordinator's thread          event loop of the client, in its own thread              cluster
    send, cancel, release ------> _handle_job: scatter large inputs, submit, gather <----> scheduler <--> workers
    event queue <---------------- JobFinished, JobFailed                                     |
    event queue <---------------- NodeJoined, NodeLeft: _watch_nodes, each second <----------+
    event queue <---------------- EngineLost: _watch_connection

Each job is a Dask task for one worker. A partial that stays with the workers is data of the scheduler, under the key
of its job and "-part"; the step that a worker reports is a Dask variable, under the key and "-step".
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing.spawn
import threading
import time
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from functools import partial
from typing import Any, TypeAlias, cast

from distributed import Client as Client, Future, KilledWorker, LocalCluster, Variable, Worker, get_worker

from daglite.exceptions import ExecutionError
from daglite.runtime.engines.clusters.messages import STAMP, Message
from daglite.runtime.engines.clusters.transport import (
    PLAIN,
    Endpoint,
    EngineLost,
    Event,
    EventQueue,
    JobFailed,
    JobFinished,
    JobOptions,
    NodeJoined,
    NodeLeft,
    error_line,
)
from daglite.runtime.engines.clusters.worker import JobResources, hello, run_job
from daglite.runtime.engines.clusters.worker_state import drop_run
from daglite.scaling import ENGINE_COSTS

# Seconds between two checks of the connection, and between two questions for the workers; most seconds for an answer.
_CHECK_INTERVAL, _NODES_INTERVAL, _NODES_TIMEOUT = 0.2, 1.0, 30.0
# Seconds to wait for a first worker.
_FIRST_WORKER = 30.0
# Messages from this size on are sent to their worker directly, not through the scheduler.
_LARGE = 1024 * 1024
# Seconds that a first direct message may take, and the end of a run.
_DIRECT_TIMEOUT, _CLOSE_TIMEOUT = 10.0, 5.0
# Seconds that a worker waits until the scheduler has a step or a partial, and the coordinator for a step.
_REPORT_TIMEOUT, _READ_TIMEOUT = 5.0, 1.0
# The result of a Dask task: the packed outcome, and whether a partial stays with the worker.
_TaskResult: TypeAlias = tuple[list[bytes], bool]


class DaskTransport:
    """The tasks of a Dask client; see `Transport`. Methods with an underscore run on the client's event loop."""

    name = "Dask"
    rate = ENGINE_COSTS["dask"].rate

    def __init__(self, client: Client, close: Callable[[], None]) -> None:
        self.event_queue = EventQueue()
        self._client = client
        self._close_client = close
        self._address = client.scheduler.address
        self._lost = (
            f"the connection to the Dask scheduler at {self._address} is lost; what it had under way is lost with it"
        )
        self._prefix = f"daglite-{id(self):x}-{time.time_ns():x}"
        self._job_tasks: dict[int, asyncio.Task[None]] = {}
        self._gathers: set[asyncio.Task[list[_TaskResult]]] = set()
        # Partials with the workers, by ticket; keys of partials that a cancelled job may have left or may still leave.
        self._partials: dict[int, Future[list[bytes]]] = {}
        self._abandoned: set[str] = set()
        # The endpoints of jobs that report their steps, and the steps that were read.
        self._reporting: dict[int, str] = {}
        self._steps: dict[int, asyncio.Task[int]] = {}
        # Whether workers can be reached without the scheduler, as far as is known.
        self._direct = True
        self._watchers: list[asyncio.Task[None]] = []
        self._node_left = asyncio.Event()
        self.endpoints: Sequence[Endpoint] = self._find_endpoints()
        self._nodes = {endpoint.name for endpoint in self.endpoints}
        self._call_soon(self._start_watching)

    def send(self, ticket: int, endpoint: str, message: Message, job_options: JobOptions = PLAIN) -> None:
        def start() -> None:
            self._job_tasks[ticket] = asyncio.ensure_future(self._handle_job(ticket, endpoint, message, job_options))

        self._call_soon(start)

    def cancel(self, tickets: Collection[int]) -> None:
        def cancel() -> None:
            for ticket in found:
                if (task := self._job_tasks.pop(ticket, None)) is not None:
                    task.cancel()

        if found := list(tickets):
            self._call_soon(cancel)

    def release(self, tickets: Collection[int]) -> None:
        def release() -> None:
            for ticket in found:
                self._partials.pop(ticket, None)

        found = list(tickets)
        with contextlib.suppress(ExecutionError):
            self._call_soon(release)

    def drop(self, run: str) -> None:
        def drop_on_workers() -> None:
            with contextlib.suppress(Exception):
                self._client.run(drop_run, run, on_error="ignore")

        if self._client.status != "running":
            return
        # The call goes to all workers, and one of them may be frozen.
        thread = threading.Thread(target=drop_on_workers, name="daglite-drop", daemon=True)
        thread.start()
        thread.join(_CLOSE_TIMEOUT)
        # From now on no worker keeps anything for this run.
        with contextlib.suppress(ExecutionError):
            self._call_soon(self._forget_run)

    def close(self) -> None:
        async def end() -> None:
            tasks = [*self._job_tasks.values(), *self._watchers]
            self._job_tasks.clear()
            for task in tasks:
                task.cancel()
            await asyncio.sleep(0)

        if self._client.status not in ("closed", "closing"):
            _run_on(self._client.loop.asyncio_loop, end(), _CLOSE_TIMEOUT)
        self._close_client()

    def _call_soon(self, call: Callable[[], object]) -> None:
        """Have a call made on the client's event loop; raises `ExecutionError` when the client is closed."""
        if self._client.status in ("closed", "closing"):
            raise ExecutionError(self._lost)
        self._client.loop.add_callback(call)

    def _find_endpoints(self) -> list[Endpoint]:
        """Return the workers, in the coordinator's thread; raises `ExecutionError` for one that cannot run daglite."""
        deadline = time.monotonic() + _FIRST_WORKER
        while True:
            # All workers, none by name: to reach one by name that has left since takes Dask half a minute.
            try:
                identities = self._client.run(hello, on_error="return")
            except OSError:
                # All workers have left, or the scheduler is gone.
                identities = {}
            except Exception as error:
                raise ExecutionError(
                    f"the workers of the Dask cluster at {self._address} do not answer: {error_line(error)}"
                ) from error
            try:
                threads = self._client.nthreads()
            except OSError as error:
                # After the half minute for which Dask tries to connect again.
                raise ExecutionError(self._lost) from error
            found = [
                endpoint_of(name, threads[name], identity)
                for name, identity in identities.items()
                if name in threads and not isinstance(identity, OSError)
            ]
            if found:
                return found
            if time.monotonic() > deadline:
                raise ExecutionError(f"the Dask cluster at {self._address} has no workers; start some and try again")
            time.sleep(0.05)

    async def _handle_job(self, ticket: int, endpoint: str, message: Message, job_options: JobOptions) -> None:
        """Run a job and post what comes of it: one event, unless the job is cancelled by `cancel`."""
        event: Event | None = None
        if job_options.reports_step:
            self._reporting[ticket] = endpoint
        try:
            event = await self._run_job(ticket, endpoint, message, job_options)
        except Exception as error:
            # The way to the worker or back has failed. A scheduler raises `KeyError` for a worker that has left.
            unknown_partial = bool(job_options.partials) and isinstance(error, KeyError | CancelledError)
            step = await self._reported_step(ticket)
            event = JobFailed(ticket, error_line(error), lost=True, step=step, partials_lost=unknown_partial)
        finally:
            if job_options.keeps_partial and not isinstance(event, JobFinished):
                self._abandoned.add(_partial_key(self._key(ticket)))
            if self._job_tasks.pop(ticket, None) is not None:
                # Without an event, another user of the client has cancelled the wait of all jobs.
                lost = JobFailed(ticket, f"Dask cancelled the wait for worker {endpoint}", lost=True)
                self.event_queue.post(event or lost)

    async def _run_job(self, ticket: int, endpoint: str, message: Message, job_options: JobOptions) -> Event:
        key = self._key(ticket)
        inputs = await self._send_ahead(key, endpoint, message)
        inputs += [self._partials[one] for one in job_options.partials]
        task = partial(_run_task, key, self._client.id)
        future: Future[_TaskResult] = self._client.submit(
            task, *inputs, key=key, workers=[endpoint], pure=False, retries=0
        )
        try:
            found = await self._gather(future)
            step = await self._reported_step(ticket)
            if found:
                outcome, stays = found[0]
                if stays:
                    self._partials[ticket] = Future(_partial_key(key), self._client)
                return JobFinished(ticket, outcome, step)
            if future.status == "error":
                error = await future.exception(asynchronous=True)
                return JobFailed(ticket, error_line(error), isinstance(error, KilledWorker | OSError), step)
            if self._client.status != "running":
                return EngineLost(self._lost)
            # The scheduler has cancelled it: as a rule because a partial that it needs is gone.
            text, partials_lost = f"Dask cancelled it on worker {endpoint}", bool(job_options.partials)
            return JobFailed(ticket, text, lost=True, step=step, partials_lost=partials_lost)
        finally:
            if not future.done():
                with contextlib.suppress(Exception):
                    await self._client.cancel([future], asynchronous=True, force=True)

    async def _gather(self, future: Future[_TaskResult]) -> list[_TaskResult]:
        """Wait for a task and return its result, or an empty list when there is none.

        Dask asks for tasks that end together in one request. To cancel the wait for one would cancel the request for
        all, and all later ones where it has not begun: those jobs would never end. So nothing cancels this request.
        """
        gathering = asyncio.ensure_future(self._client.gather([future], errors="skip", asynchronous=True))
        self._gathers.add(gathering)
        gathering.add_done_callback(self._gathers.discard)
        return await asyncio.shield(gathering)

    async def _send_ahead(self, key: str, endpoint: str, message: Message) -> list[object]:
        """Return the inputs of a task. Large ones are sent to the worker now, and a future takes their place."""
        if sum(map(len, message)) < _LARGE:
            return [*message]
        large = {f"{key}-{number}": part for number, part in enumerate(message) if len(part) >= _LARGE // 16}
        scatter = partial(self._client.scatter, large, workers=[endpoint], hash=False, asynchronous=True)
        sent: Mapping[str, object] | None = None
        if self._direct:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(_DIRECT_TIMEOUT):
                    sent = await scatter(direct=True)
        if sent is None:
            sent = await scatter(direct=False)
            # The worker is there, but only its scheduler can reach it.
            self._direct = False
        return [sent.get(f"{key}-{number}", part) for number, part in enumerate(message)]

    async def _reported_step(self, ticket: int) -> int:
        """Return the step that the worker of a job has reported, -1 when it reported none or has gone on."""
        if ticket not in self._reporting:
            return -1
        # Read once: a lost job and the departure of its worker both ask for it.
        if ticket not in self._steps:
            self._steps[ticket] = asyncio.ensure_future(self._read_step(ticket))
        return await asyncio.shield(self._steps[ticket])

    async def _read_step(self, ticket: int) -> int:
        variable = Variable(_step_key(self._key(ticket)), client=self._client)
        try:
            return int(
                await asyncio.wait_for(variable.get(timeout=_READ_TIMEOUT, asynchronous=True), 2 * _READ_TIMEOUT)
            )
        except Exception:
            return -1
        finally:
            with contextlib.suppress(Exception):
                variable.delete()

    def _forget_run(self) -> None:
        self._reporting.clear()
        self._steps.clear()
        self._partials.clear()
        while self._abandoned:
            # A worker has kept it in the name of this client: a future that is created and dropped releases it.
            Future(self._abandoned.pop(), self._client)

    def _start_watching(self) -> None:
        for watch in (self._watch_connection(), self._watch_nodes()):
            self._watchers.append(asyncio.ensure_future(watch))

    async def _watch_connection(self) -> None:
        while self._client.status == "running":
            await asyncio.sleep(_CHECK_INTERVAL)
        # Dask tries to connect again for half a minute, but what was under way is gone all the same.
        self.event_queue.post(EngineLost(self._lost))

    async def _watch_nodes(self) -> None:
        """Compare the workers with those that are known, each second and whenever one leaves."""
        for name in self._nodes:
            self._client.subscribe_topic(name, self._on_worker_event)
        while True:
            # Not `wait_for`: in Python 3.11 it drops a cancellation that comes together with what it waits for.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_NODES_INTERVAL):
                    await self._node_left.wait()
            self._node_left.clear()
            try:
                async with asyncio.timeout(_NODES_TIMEOUT):
                    found = await self._client.nthreads(asynchronous=True)
            except Exception:
                self.event_queue.post(EngineLost(self._lost))
                return
            for name in self._nodes - found.keys():
                self._nodes.remove(name)
                reporting = [ticket for ticket, endpoint in self._reporting.items() if endpoint == name]
                self.event_queue.post(NodeLeft(name, {one: await self._reported_step(one) for one in reporting}))
            for name in found.keys() - self._nodes:
                self._nodes.add(name)
                self._client.subscribe_topic(name, self._on_worker_event)
                self.event_queue.post(NodeJoined(Endpoint(name, found[name])))

    def _on_worker_event(self, event: tuple[float, object]) -> None:
        match event:
            case (_, {"action": "remove-worker"}):
                # The topic does not say which worker: the next comparison does.
                self._node_left.set()

    def _key(self, ticket: int) -> str:
        return f"{self._prefix}-{ticket}"


def endpoint_of(name: str, threads: int, identity: object) -> Endpoint:
    """Return the endpoint of a worker by its answer to `hello`; raises `ExecutionError` when it cannot run daglite."""
    if isinstance(identity, BaseException):
        raise ExecutionError(
            f"Dask worker {name} cannot run daglite: {error_line(identity)}; install daglite on the workers"
        )
    stamp, process, pid = cast("tuple[str, str, int]", identity)
    if stamp != STAMP:
        raise ExecutionError(
            f"Dask worker {name} has {stamp}, the coordinator {STAMP}; install the same versions on both sides"
        )
    return Endpoint(name, threads, process=process, pid=pid)


def _run_task(key: str, client: str, *message: bytes | Message) -> _TaskResult:
    """Run a job on a worker. It may keep a partial and report steps, in the name of the coordinator's client."""
    worker = get_worker()
    loop = worker.loop.asyncio_loop
    stays = False

    def keep(segments: list[bytes]) -> bool:
        nonlocal stays
        stays = _run_on(loop, _keep_partial(worker, _partial_key(key), client, segments), _REPORT_TIMEOUT)
        return stays

    def report(step: int) -> None:
        _run_on(loop, worker.scheduler.variable_set(name=_step_key(key), data=step), _REPORT_TIMEOUT)

    return run_job(*message, resources=JobResources(keep, report)), stays


async def _keep_partial(worker: Worker, key: str, client: str, segments: list[bytes]) -> None:
    """Let Dask keep a partial here: it moves it to where it is needed, and to the disk when memory is short."""
    worker.update_data(data={key: segments})
    nbytes = {key: sum(map(len, segments))}
    await worker.scheduler.update_data(who_has={key: [worker.address]}, nbytes=nbytes, client=client)


def _run_on(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, object], timeout: float) -> bool:
    """Run a coroutine on the event loop of another thread; return whether it ended within `timeout` seconds."""
    running = asyncio.run_coroutine_threadsafe(work, loop)
    try:
        running.result(timeout)
    except Exception:
        running.cancel()
        return False
    return True


def _partial_key(key: str) -> str:
    return f"{key}-part"


def _step_key(key: str) -> str:
    return f"{key}-step"


def connect(address: str) -> Client:
    """Return a new client for the scheduler at an address; raises `ExecutionError` when it does not answer."""
    try:
        return Client(address, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise ExecutionError(f"no Dask scheduler answers at {address}: {error_line(error)}") from error


def start_local_cluster(workers: int) -> tuple[Client, Callable[[], None]]:
    """Start a cluster on this machine; return its client, and a function that ends both."""
    with contextlib.ExitStack() as undo:
        undo.enter_context(_workers_without_main())
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
            # There is a small HTTP server even without a dashboard; any free port will do.
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
        )
        undo.callback(cluster.close)
        client = Client(cluster, set_as_default=False)
        undo.callback(client.close)
        return client, undo.pop_all().close


_WORKER_NAME = "Dask Worker process"
_local_clusters = 0
_preparation_data = multiprocessing.spawn.get_preparation_data
_patch_lock = threading.Lock()


@contextlib.contextmanager
def _workers_without_main() -> Iterator[None]:
    """Start Dask workers that do not import `__main__` again, as its functions are sent by value.

    So scripts need no `if __name__ == "__main__"` guard. Clusters may overlap: the last one to end removes the patch.
    """
    global _local_clusters, _preparation_data
    with _patch_lock:
        _local_clusters += 1
        if _local_clusters == 1:
            _preparation_data = multiprocessing.spawn.get_preparation_data
            multiprocessing.spawn.get_preparation_data = _data_without_main
    try:
        yield
    finally:
        with _patch_lock:
            _local_clusters -= 1
            if not _local_clusters:
                multiprocessing.spawn.get_preparation_data = _preparation_data


def _data_without_main(name: str) -> dict[str, Any]:
    data = _preparation_data(name)
    if name.startswith(_WORKER_NAME):
        data.pop("init_main_from_name", None)
        data.pop("init_main_from_path", None)
    return data
