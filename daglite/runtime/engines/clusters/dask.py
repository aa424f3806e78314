"""Dask as an engine: each parcel is a task of its own, for one worker. The only file that imports Dask.

Everything waits on the event loop of the client, in its thread; the coordinator's thread only leaves word there.

What a worker of Dask says of itself, and whether it can be one of ours.

Workers of a cluster of our own, started without the script that started them.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing.spawn
import threading
import time
from collections.abc import Callable, Collection, Coroutine, Sequence
from concurrent.futures import CancelledError
from functools import partial
from typing import Any, TypeAlias

from distributed import Client as Client, Future, KilledWorker, LocalCluster, Variable, Worker, get_worker

from daglite.exceptions import ExecutionError
from daglite.runtime.engines.clusters.messages import STAMP, Parcel
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
from daglite.runtime.engines.clusters.worker import JobResources, drop_run, hello, run_job
from daglite.scaling import TOLLS


def spot_of(name: str, threads: int, answer: object) -> Endpoint:
    """The spot of a worker by what it says of itself; raises `ExecutionError` when it could not do anything for us."""
    match answer:
        case (stamp, str(process), int(pid)) if stamp == STAMP:
            return Endpoint(name, threads, process=process, pid=pid)
        case (stamp, _, _):
            raise ExecutionError(
                f"Dask worker {name} has {stamp}, the coordinator {STAMP}; install the same versions on both sides"
            )
        case BaseException():
            raise ExecutionError(
                f"Dask worker {name} cannot run daglite: {words_of(answer)}; install daglite on the workers"
            )
        case _:
            raise ExecutionError(f"Dask worker {name} gave {answer!r} when it was greeted")


_WORKER = "Dask Worker process"


class MainImportGuard:
    """While a cluster of our own is open, its workers do not import `__main__` again: what is of it goes by value.

    So scripts need no `if __name__ == "__main__"` guard.
    """

    def __init__(self) -> None:
        self._open = 0
        self._lock = threading.Lock()
        self._below = multiprocessing.spawn.get_preparation_data

    def begin(self) -> None:
        """One more cluster is open."""
        with self._lock:
            self._open += 1
            if self._open == 1:
                self._below = multiprocessing.spawn.get_preparation_data
                multiprocessing.spawn.get_preparation_data = self._without_main

    def end(self) -> None:
        """One less."""
        with self._lock:
            self._open -= 1
            if not self._open:
                multiprocessing.spawn.get_preparation_data = self._below

    def _without_main(self, name: str) -> dict[str, Any]:
        data = self._below(name)
        if name.startswith(_WORKER):
            data.pop("init_main_from_name", None)
            data.pop("init_main_from_path", None)
        return data


UNGUARDED = MainImportGuard()

# How often, in seconds, the connection is looked at; how often it is asked who is there; how long an answer may take.
_LOOK, _ASK, _ANSWER = 0.2, 1.0, 30.0
# How long, in seconds, to wait for a first worker.
_FIRST = 30.0
# Parcels from this size on go to their worker past the scheduler.
_LARGE = 1024 * 1024
# How long, in seconds, a first parcel may take past the scheduler, and the end of a run.
_DIRECT, _END = 10.0, 5.0
# What a worker returns: an outcome, and whether a part of it stays.
_Done: TypeAlias = tuple[list[bytes], bool]
# How long, in seconds, a worker and a coordinator wait for the scheduler to take or give a mark.
_MARK, _READ = 5.0, 1.0


class DaskTransport:
    """Tasks of a client; see `carrier.Carrier`."""

    engine = "Dask"
    rate = TOLLS["dask"].rate

    def __init__(self, client: Client, close: Callable[[], None]) -> None:
        self.event_queue = EventQueue()
        self._client = client
        self._close = close
        self._address = client.scheduler.address
        self._names = f"daglite-{id(self):x}-{time.time_ns():x}"
        # Used by the thread of the loop only.
        self._carrying: dict[int, asyncio.Task[None]] = {}
        self._tree_reducer: set[asyncio.Task[list[_Done]]] = set()
        self._here: dict[str, int] = {}
        # Parts that stay with the workers; those of jobs that nobody waits for any more; jobs that leave marks.
        self._parts: dict[int, Future[list[bytes]]] = {}
        self._orphans: set[str] = set()
        self._marking: dict[int, str] = {}
        self._marks: dict[int, asyncio.Task[int]] = {}
        self._direct = True
        self._watching: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._spots = self._greet()
        self._here = {spot.name: spot.slots for spot in self._spots}
        self._soon(self._begin)

    def spots(self) -> Sequence[Endpoint]:
        return self._spots

    def send(self, ticket: int, spot: str, message: Parcel, job_options: JobOptions = PLAIN) -> None:
        self._soon(lambda: self._start(ticket, self._carry(ticket, spot, message, job_options)))

    def cancel(self, tickets: Collection[int]) -> None:
        if tickets:
            found = list(tickets)
            self._soon(lambda: self._cancel(found))

    def release(self, tickets: Collection[int]) -> None:
        found = list(tickets)
        with contextlib.suppress(ExecutionError):
            self._soon(lambda: self._release(found))

    def drop(self, run: str) -> None:
        if self._client.status != "running":
            return
        # It goes to all workers, and one of them may be frozen.
        telling = threading.Thread(target=self._tell_all, args=(run,), name="daglite-drop", daemon=True)
        telling.start()
        telling.join(_END)
        # From now on no worker keeps anything for it.
        with contextlib.suppress(ExecutionError):
            self._soon(self._forget)

    def close(self) -> None:
        done = threading.Event()

        async def end() -> None:
            for task in (*self._carrying.values(), self._watching, self._looking):
                if task is not None:
                    task.cancel()
            await asyncio.sleep(0)
            done.set()

        with contextlib.suppress(ExecutionError):
            self._soon(lambda: asyncio.ensure_future(end()))
            done.wait(_END)
        self._close()

    def _soon(self, call: Callable[[], object]) -> None:
        """Have something done by the thread of the loop."""
        if self._client.status in ("closed", "closing"):
            raise ExecutionError(self._gone())
        self._client.loop.add_callback(call)

    def _gone(self) -> str:
        return f"the connection to the Dask scheduler at {self._address} is lost; what it had under way is lost with it"

    def _tell_all(self, run: str) -> None:
        with contextlib.suppress(Exception):
            self._client.run(drop_run, run, on_error="ignore")

    def _greet(self) -> list[Endpoint]:
        """The workers there are; raises `ExecutionError` for one that could not do anything for us."""
        until = time.monotonic() + _FIRST
        while True:
            try:
                threads = self._client.nthreads()
            except OSError as error:
                # After the half minute for which Dask tries to come back to it.
                raise ExecutionError(self._gone()) from error
            found = self._answers(list(threads)) if threads else {}
            # One that has ended since it was counted, or is at its end, is none; it may come back.
            here = {name: answer for name, answer in found.items() if not isinstance(answer, OSError)}
            if here:
                return [spot_of(name, threads[name], answer) for name, answer in here.items()]
            if time.monotonic() > until:
                raise ExecutionError(f"the Dask cluster at {self._address} has no workers; start some and try again")
            time.sleep(0.05)

    def _answers(self, names: list[str]) -> dict[str, object]:
        try:
            return self._client.run(hello, on_error="return", workers=names)
        except OSError:
            # All of them, or their scheduler; which, is asked next.
            return {}
        except Exception as error:
            where = f"the workers of the Dask cluster at {self._address}"
            raise ExecutionError(f"{where} do not answer: {words_of(error)}") from error

    # On the loop.

    def _begin(self) -> None:
        for name in self._here:
            self._client.subscribe_topic(name, self._noticed)
        self._watching = asyncio.ensure_future(self._watch())

    def _start(self, ticket: int, work: Coroutine[Any, Any, None]) -> None:
        self._carrying[ticket] = asyncio.ensure_future(work)

    def _cancel(self, tickets: Sequence[int]) -> None:
        for ticket in tickets:
            task = self._carrying.pop(ticket, None)
            if task is not None:
                task.cancel()

    async def _carry(self, ticket: int, spot: str, message: Parcel, job_options: JobOptions) -> None:
        name = f"{self._names}-{ticket}"
        future: Future[_Done] | None = None
        # What becomes of the part is known only when there is an outcome.
        kept = [_part(name)] if job_options.keeps else []
        try:
            parts = await self._sent_ahead(name, spot, message)
            parts += [self._parts[one] for one in job_options.parts]
            job = partial(_work, name, self._client.id) if job_options != PLAIN else _plain_work
            if job_options.marks:
                self._marking[ticket] = spot
            future = self._client.submit(job, *parts, key=name, workers=[spot], pure=False, retries=0)
            found = await asyncio.shield(self._gathered(future))
            if found:
                outcome, stays = found[0]
                if stays:
                    self._parts[ticket] = Future(_part(name), self._client)
                kept.clear()
                self.event_queue.post(JobFinished(ticket, outcome, await self._mark(ticket)))
            elif future.status == "error":
                raise await future.exception(asynchronous=True)
            elif self._client.status != "running":
                self.event_queue.post(EngineLost(self._gone()))
            else:
                # Nobody but Dask has cancelled it: as a rule because a part that it needs is gone.
                text, missing = f"Dask cancelled it on worker {spot}", bool(job_options.parts)
                self.event_queue.post(
                    JobFailed(ticket, text, lost=True, step=await self._mark(ticket), missing=missing)
                )
        except asyncio.CancelledError:
            # Ours, if nobody waits for this ticket any more; else somebody who shares the client has cancelled for all.
            if ticket in self._carrying:
                self.event_queue.post(JobFailed(ticket, f"Dask cancelled the wait for worker {spot}", lost=True))
            raise
        except Exception as error:
            missing = bool(job_options.parts) and isinstance(error, KeyError | CancelledError)
            # Only an error of the job itself shows that its worker cannot run it. Any other one is of the way there and
            # back, such as the KeyError by which a scheduler tells that it knows no such worker any more.
            job_failed = future is not None and future.status == "error"
            lost = missing or not job_failed or isinstance(error, KilledWorker | OSError)
            self.event_queue.post(JobFailed(ticket, words_of(error), lost, await self._mark(ticket), missing))
        finally:
            self._carrying.pop(ticket, None)
            self._orphans.update(kept)
            if future is not None and not future.done():
                with contextlib.suppress(Exception):
                    await self._client.cancel([future], asynchronous=True, force=True)

    def _gathered(self, future: Future[_Done]) -> asyncio.Task[list[_Done]]:
        """What comes of a job, asked for on a task of its own, which is never cancelled.

        Jobs that end together are asked for together by Dask: to cancel one of these would cancel all of them, and
        where it has not begun all that come later.
        """
        tree_reducer = asyncio.ensure_future(self._client.gather([future], errors="skip", asynchronous=True))
        self._tree_reducer.add(tree_reducer)
        tree_reducer.add_done_callback(self._gathered_all)
        return tree_reducer

    def _gathered_all(self, tree_reducer: asyncio.Task[list[_Done]]) -> None:
        self._tree_reducer.discard(tree_reducer)
        if not tree_reducer.cancelled():
            # Looked at, as nobody may wait for it any more.
            tree_reducer.exception()

    async def _mark(self, ticket: int) -> int:
        """The step at which the worker of a job said that it was; -1 when it said nothing, or has gone on."""
        if ticket not in self._marking:
            return -1
        # Asked once, whoever is first: the job that has ended without an outcome, or the look at who is there.
        if ticket not in self._marks:
            self._marks[ticket] = asyncio.ensure_future(self._read_mark(ticket))
        return await asyncio.shield(self._marks[ticket])

    async def _read_mark(self, ticket: int) -> int:
        variable = Variable(_marker(f"{self._names}-{ticket}"), client=self._client)
        try:
            return int(await asyncio.wait_for(variable.get(timeout=_READ, asynchronous=True), 2 * _READ))
        except Exception:
            return -1
        finally:
            with contextlib.suppress(Exception):
                variable.delete()

    def _release(self, tickets: Sequence[int]) -> None:
        for ticket in tickets:
            self._parts.pop(ticket, None)

    def _forget(self) -> None:
        """A run is over."""
        self._marking.clear()
        self._marks.clear()
        self._parts.clear()
        while self._orphans:
            # A worker has kept it in the name of this client, and only a future of it gives it up.
            Future(self._orphans.pop(), self._client)

    async def _sent_ahead(self, name: str, spot: str, message: Parcel) -> list[object]:
        """The parcel, its large parts sent to the worker already where they are large together."""
        if sum(map(len, message)) < _LARGE:
            return [*message]
        large = {f"{name}-{number}": part for number, part in enumerate(message) if len(part) >= _LARGE // 16}
        sent = await self._scatter_past_scheduler(large, spot) if self._direct else None
        if sent is None:
            sent = await self._scatter(large, spot, direct=False)
            # The worker is there, but only its scheduler can reach it.
            self._direct = False
        return [sent.get(f"{name}-{number}", part) for number, part in enumerate(message)]

    async def _scatter_past_scheduler(self, parts: dict[str, bytes], spot: str) -> dict[str, Future[bytes]] | None:
        try:
            return await asyncio.wait_for(self._scatter(parts, spot, direct=True), _DIRECT)
        except Exception:
            return None

    async def _scatter(self, parts: dict[str, bytes], spot: str, *, direct: bool) -> dict[str, Future[bytes]]:
        return await self._client.scatter(parts, workers=[spot], direct=direct, hash=False, asynchronous=True)

    def _noticed(self, event: tuple[float, object]) -> None:
        """Something happened to a worker."""
        match event:
            case (_, {"action": "remove-worker"}):
                # Only that there is something to see: the topic does not say whose it is.
                self._looking = asyncio.ensure_future(self._look())
            case _:
                pass

    async def _watch(self) -> None:
        asked = time.monotonic()
        while self._client.status == "running":
            await asyncio.sleep(_LOOK)
            if time.monotonic() - asked >= _ASK and (self._looking is None or self._looking.done()):
                asked = time.monotonic()
                self._looking = asyncio.ensure_future(self._look())
        # Dask would try for half a minute to connect again, but what was under way would be gone all the same.
        self.event_queue.post(EngineLost(self._gone()))

    async def _look(self) -> None:
        """See who is there."""
        try:
            found = await asyncio.wait_for(self._client.nthreads(asynchronous=True), _ANSWER)
        except asyncio.CancelledError:
            raise
        except BaseException:
            self.event_queue.post(EngineLost(self._gone()))
            return
        for name in self._here.keys() - found.keys():
            del self._here[name]
            marked = [ticket for ticket, spot in self._marking.items() if spot == name]
            self.event_queue.post(NodeLeft(name, {ticket: await self._mark(ticket) for ticket in marked}))
        for name in found.keys() - self._here.keys():
            self._here[name] = found[name]
            self._client.subscribe_topic(name, self._noticed)
            self.event_queue.post(NodeJoined(Endpoint(name, found[name])))


def _work(name: str, client: str, *message: bytes | Parcel) -> _Done:
    """A job on a worker that may keep a part, or leave marks, in the name of the coordinator's client."""
    worker, key = get_worker(), _part(name)
    stays = False

    def keep(segments: list[bytes]) -> bool:
        nonlocal stays
        stays = _on_loop(worker, _kept(worker, key, client, segments))
        return stays

    return run_job(*message, lent=JobResources(keep, partial(_leave_mark, worker, _marker(name)))), stays


def _plain_work(*message: bytes) -> _Done:
    """Any other job."""
    return run_job(*message), False


async def _kept(worker: Worker, key: str, client: str, segments: list[bytes]) -> None:
    """Let Dask keep a part here: it moves it to where it is needed, and to the disk when memory is short."""
    worker.update_data(data={key: segments})
    nbytes = {key: sum(map(len, segments))}
    await worker.scheduler.update_data(who_has={key: [worker.address]}, nbytes=nbytes, client=client)


def _leave_mark(worker: Worker, name: str, step: int) -> None:
    async def mark() -> None:
        await worker.scheduler.variable_set(name=name, data=step)

    _on_loop(worker, mark())


def _on_loop(worker: Worker, work: Coroutine[Any, Any, None]) -> bool:
    """Have something done on the loop of the worker, and wait for it; tells whether it was."""
    doing = asyncio.run_coroutine_threadsafe(work, worker.loop.asyncio_loop)
    try:
        doing.result(_MARK)
    except Exception:
        doing.cancel()
        return False
    return True


def _part(name: str) -> str:
    return f"{name}-part"


def _marker(name: str) -> str:
    return f"{name}-mark"


def connected(address: str) -> Client:
    """A client of our own for the scheduler at this address."""
    try:
        return Client(address, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise ExecutionError(f"no Dask scheduler answers at {address}: {words_of(error)}") from error


def local_cluster(workers: int) -> tuple[Client, Callable[[], None]]:
    """A cluster of our own on this machine, its client, and how to end both."""
    with contextlib.ExitStack() as undo:
        UNGUARDED.begin()
        undo.callback(UNGUARDED.end)
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
            # There is a small server even without a dashboard; not at the port that others would want.
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
        )
        undo.callback(cluster.close)
        client = Client(cluster, set_as_default=False)
        undo.callback(client.close)
        return client, undo.pop_all().close
