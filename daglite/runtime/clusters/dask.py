"""Dask as an engine: each parcel is a task of its own, for one worker. The only file that imports Dask.

Everything waits on the event loop of the client, in its thread; the coordinator's thread only leaves word there.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing.spawn
import threading
import time
from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import Any

from distributed import Client, Future, KilledWorker, LocalCluster

from daglite.capacity import TOLLS
from daglite.exceptions import ExecutionError
from daglite.runtime.clusters.carrier import Arrived, Broken, Failed, Joined, Left, Mail, Spot, words_of
from daglite.runtime.clusters.parcels import STAMP, Parcel
from daglite.runtime.clusters.runner import drop_run, hello, run_job

__all__ = ["Client", "DaskCarrier", "connected", "local_cluster", "spot_of"]

# How often, in seconds, the connection is looked at; how often it is asked who is there; how long an answer may take.
_LOOK, _ASK, _ANSWER = 0.2, 1.0, 30.0
# How long, in seconds, to wait for a first worker.
_FIRST = 30.0
# Parcels from this size on go to their worker past the scheduler.
_LARGE = 1024 * 1024
# How long, in seconds, a first parcel may take past the scheduler, and the end of a run.
_DIRECT, _END = 10.0, 5.0
_WORKER = "Dask Worker process"


class DaskCarrier:
    """Tasks of a client; see `carrier.Carrier`."""

    engine = "Dask"
    rate = TOLLS["dask"].rate

    def __init__(self, client: Client, close: Callable[[], None]) -> None:
        self.mail = Mail()
        self._client = client
        self._close = close
        self._address = client.scheduler.address
        self._names = f"daglite-{id(self):x}-{time.time_ns():x}"
        # Used by the thread of the loop only.
        self._carrying: dict[int, asyncio.Task[None]] = {}
        self._here: dict[str, int] = {}
        self._direct = True
        self._watching: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._spots = self._greet()
        self._here = {spot.name: spot.slots for spot in self._spots}
        self._soon(self._begin)

    def spots(self) -> Sequence[Spot]:
        return self._spots

    def send(self, ticket: int, spot: str, parcel: Parcel) -> None:
        self._soon(lambda: self._start(ticket, self._carry(ticket, spot, parcel)))

    def cancel(self, tickets: Collection[int]) -> None:
        if tickets:
            found = list(tickets)
            self._soon(lambda: self._cancel(found))

    def drop(self, run: str) -> None:
        if self._client.status != "running":
            return
        # It goes to all workers, and one of them may be frozen.
        telling = threading.Thread(target=self._tell_all, args=(run,), name="daglite-drop", daemon=True)
        telling.start()
        telling.join(_END)

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

    def _greet(self) -> list[Spot]:
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

    async def _carry(self, ticket: int, spot: str, parcel: Parcel) -> None:
        name = f"{self._names}-{ticket}"
        future: Future[list[bytes]] | None = None
        try:
            parts = await self._sent_ahead(name, spot, parcel)
            future = self._client.submit(run_job, *parts, key=name, workers=[spot], pure=False, retries=0)
            found = await self._client.gather([future], errors="skip", asynchronous=True)
            if found:
                self.mail.post(Arrived(ticket, found[0]))
            elif future.status == "error":
                raise await future.exception(asynchronous=True)
            elif self._client.status != "running":
                self.mail.post(Broken(self._gone()))
            else:
                # Nobody but Dask has cancelled it.
                self.mail.post(Failed(ticket, f"Dask cancelled it on worker {spot}", lost=True))
        except Exception as error:
            lost = isinstance(error, KilledWorker | OSError)
            self.mail.post(Failed(ticket, words_of(error), lost))
        finally:
            self._carrying.pop(ticket, None)
            if future is not None and not future.done():
                with contextlib.suppress(Exception):
                    await self._client.cancel([future], asynchronous=True, force=True)

    async def _sent_ahead(self, name: str, spot: str, parcel: Parcel) -> list[object]:
        """The parcel, its large parts sent to the worker already where they are large together."""
        if sum(map(len, parcel)) < _LARGE:
            return [*parcel]
        large = {f"{name}-{number}": part for number, part in enumerate(parcel) if len(part) >= _LARGE // 16}
        if self._direct:
            try:
                sent = await asyncio.wait_for(self._scatter(large, spot, direct=True), _DIRECT)
            except Exception:
                # The workers cannot be reached from here, only their scheduler.
                self._direct = False
                sent = await self._scatter(large, spot, direct=False)
        else:
            sent = await self._scatter(large, spot, direct=False)
        return [sent.get(f"{name}-{number}", part) for number, part in enumerate(parcel)]

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
        self.mail.post(Broken(self._gone()))

    async def _look(self) -> None:
        """See who is there."""
        try:
            found = await asyncio.wait_for(self._client.nthreads(asynchronous=True), _ANSWER)
        except asyncio.CancelledError:
            raise
        except BaseException:
            self.mail.post(Broken(self._gone()))
            return
        for name in self._here.keys() - found.keys():
            del self._here[name]
            self.mail.post(Left(name))
        for name in found.keys() - self._here.keys():
            self._here[name] = found[name]
            self._client.subscribe_topic(name, self._noticed)
            self.mail.post(Joined(Spot(name, found[name])))


def spot_of(name: str, threads: int, answer: object) -> Spot:
    """The spot of a worker by what it says of itself; raises `ExecutionError` when it could not do anything for us."""
    match answer:
        case (stamp, str(process), int(pid)) if stamp == STAMP:
            return Spot(name, threads, process=process, pid=pid)
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


def connected(address: str) -> Client:
    """A client of our own for the scheduler at this address."""
    try:
        return Client(address, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise ExecutionError(f"no Dask scheduler answers at {address}: {words_of(error)}") from error


def local_cluster(workers: int) -> tuple[Client, Callable[[], None]]:
    """A cluster of our own on this machine, its client, and how to end both."""
    with contextlib.ExitStack() as undo:
        _UNGUARDED.begin()
        undo.callback(_UNGUARDED.end)
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


class _Unguarded:
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


_UNGUARDED = _Unguarded()
