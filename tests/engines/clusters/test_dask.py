"""Dask as a runtime: what may be given, what is never closed or joined, and what is said when something is missing."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dask
import distributed
import pytest

from daglite import Plan, compile, from_iterable, item_seed, task
from daglite.cli import main
from daglite.exceptions import ExecutionError, ParameterError, TooManyFailuresError
from daglite.run_options import RunOptions
from daglite.runtime import Dask
from daglite.runtime.engines.clusters import dask as carriers
from daglite.runtime.engines.clusters.dask import endpoint_of
from daglite.runtime.engines.clusters.messages import PROCESS, STAMP
from daglite.runtime.engines.clusters.transport import Event, JobFailed, JobFinished
from tests.engines.conformance.commands import Commands, dask_by_command
from tests.tasks import double


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the workers are started; they find the modules that are there."""
    return tmp_path_factory.mktemp("dask")


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with dask_by_command(str(folder), workers=1) as found:
        yield found


def test_items_fail_there_as_here(address: str) -> None:
    def fussy(x: int) -> tuple[int, int]:
        if x % 3 == 0:
            raise ValueError(x)
        return x, item_seed()

    kept = task(lambda x: x != 4, name="kept")
    stream = from_iterable(range(30)).filter(kept)
    for optimize in (True, False):
        for pipeline in (
            stream.attempt(task(fussy)),
            stream.then(task(fussy, on_error="skip")).batch(3),
            stream.then(task(fussy, on_error=lambda failed: (failed.item, failed.index))),
        ):
            plan: Plan[Any] = compile(pipeline, optimize=optimize)
            found = plan.run(runtime=Dask(address), seed=7, max_failures=10)
            assert found == plan.run(runtime="inline", seed=7)
            with pytest.raises(TooManyFailuresError, match="more items failed than `max_failures=9` allows"):
                plan.run(runtime=Dask(address), max_failures=9)


@pytest.mark.parametrize("way", ["tcp", "plain", "url"])
def test_an_address_may_be_written_in_three_ways(address: str, way: str) -> None:
    place = address.removeprefix("tcp://")
    given = {"tcp": Dask(address), "plain": Dask(place), "url": f"dask://{place}"}[way]
    options: RunOptions = {"runtime": given}  # type: ignore[typeddict-item]  # a URL is text that types cannot say
    assert double.map(x=[1, 2]).run(**options) == [2, 4]


def test_the_command_takes_the_address_of_a_cluster(
    address: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "orders.py").write_text(
        "from daglite import task\ndouble = task(lambda x: 2 * x, name='double')\npipeline = double.map(x=[1, 2, 3])\n"
    )
    url = address.replace("tcp://", "dask://")
    assert main(["run", f"{folder}/orders.py:pipeline", "--runtime", url, "--no-progress"]) == 0
    assert capsys.readouterr().out == "2\n4\n6\n"


def test_a_client_that_is_given_stays_open_and_is_nobodys_default(address: str) -> None:
    with distributed.Client(address, set_as_default=False) as client:
        for _ in range(2):
            assert double.map(x=[1, 2]).run(runtime=Dask(client)) == [2, 4]
        with Dask(client) as kept:
            assert double.map(x=[3]).run(runtime=kept) == [6]
        assert client.status == "running"
        with pytest.raises(ValueError, match="No clients found"):
            distributed.default_client()


def test_nothing_of_a_run_stays_on_the_cluster(address: str) -> None:
    with distributed.Client(address, set_as_default=False) as client:
        assert double.map(x=range(100)).run(runtime=Dask(client)) == [*range(0, 200, 2)]
        # What is given up is told to the scheduler in its own time.
        until = time.monotonic() + 5
        while client.run_on_scheduler(tasks_of) and time.monotonic() < until:
            time.sleep(0.01)
        assert client.run_on_scheduler(tasks_of) == 0
        assert set(client.run(rounds).values()) == {0}


def tasks_of(dask_scheduler: distributed.Scheduler) -> int:
    return len(dask_scheduler.tasks)


def rounds() -> int:
    return len(importlib.import_module("daglite.runtime.engines.clusters.worker_state")._RUNS)


@pytest.fixture(scope="module")
def once() -> None:
    """Dask starts some threads that all its clusters share."""
    assert double(x=1).run(runtime="dask", workers=1) == 2


def test_a_cluster_of_its_own_joins_no_other_and_leaves_nothing(once: None, nothing_left: None) -> None:
    """Dask itself would join whatever its configuration names."""
    with dask.config.set(scheduler_address="tcp://127.0.0.1:1"):
        pids = task(lambda x: (x, os.getppid()), name="seen").map(x=range(20)).run(runtime="dask", workers=1)
    assert [x for x, _ in pids] == [*range(20)]
    # The workers are children of this process, and of nobody else.
    assert {parent for _, parent in pids} == {os.getpid()}


def test_options_go_where_they_belong() -> None:
    with pytest.raises(ParameterError, match=r"`workers` belongs to the runtime object: Dask\(workers=\.\.\.\)"):
        double(x=1).run(runtime=Dask(), workers=2)
    with pytest.raises(ParameterError, match="`start_method` means nothing to the runtime object Dask"):
        double(x=1).run(runtime=Dask(), start_method="fork")
    with pytest.raises(ParameterError, match="`start_method` is an option of worker processes here"):
        double(x=1).run(runtime="dask", start_method="fork")
    with pytest.raises(ParameterError, match="`workers` is for a cluster of Dask's own"):
        Dask("host:8786", workers=2)
    with pytest.raises(ParameterError, match="`workers` must be a whole number >= 1; got 0"):
        Dask(workers=0)


@pytest.mark.parametrize("given", ["host", "tcp://host", "host:", "host:port", ":8786", ""])
def test_an_address_without_a_port_is_refused(given: str) -> None:
    with pytest.raises(ParameterError, match="the address of a Dask scheduler is 'host:port'; got '"):
        Dask(given)


@pytest.mark.parametrize("given", ["dask://", "ray://host:10001", "daskk://host:1"])
def test_a_url_of_another_kind_is_refused(given: str) -> None:
    options: RunOptions = {"runtime": given}  # type: ignore[typeddict-item]  # what is refused
    with pytest.raises(ParameterError, match="'dask'"):
        double(x=1).run(**options)


def test_something_that_is_no_client_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"`Dask` takes a `distributed\.Client`, the address of a scheduler"):
        Dask(8786)  # type: ignore[arg-type]  # what is refused


def test_a_password_in_an_address_is_not_shown() -> None:
    assert repr(Dask("tls://me:secret@host:8786")) == "Dask('tls://...@host:8786')"
    with pytest.raises(ParameterError, match=r"got 'tcp://\.\.\.@host'"):
        Dask("tcp://me:secret@host")


def test_a_missing_library_is_told_with_the_command_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ParameterError, match=r"Dask is not installed; .*: pip install 'daglite\[dask\]'"):
        double(x=1).run(runtime="dask")


def test_a_scheduler_that_is_not_there_is_told() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{free.getsockname()[1]}"
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "300ms"}),
        pytest.raises(ExecutionError, match=f"no Dask scheduler answers at tcp://{place}: "),
    ):
        double(x=1).run(runtime=Dask(place))


def test_a_cluster_without_workers_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carriers, "_FIRST_WORKER", 0.2)
    commands = Commands(tmp_path)
    try:
        with pytest.raises(ExecutionError, match="has no workers; start some and try again"):
            double(x=1).run(runtime=Dask(commands.scheduler()))
    finally:
        commands.end()


class Rumour:
    """A client of three workers: one leaves after its answer, one ends before it."""

    status = "running"

    def __init__(self) -> None:
        self.scheduler = SimpleNamespace(address="tcp://s:1")
        # Calls for the event loop: the first is the transport's own and starts its watchers.
        self.calls: list[Callable[[], object]] = []
        self.loop = SimpleNamespace(add_callback=self.calls.append)

    def nthreads(self) -> dict[str, int]:
        return {"tcp://w:1": 1, "tcp://w:2": 2}

    def run(self, function: object, *, on_error: str) -> dict[str, object]:
        """Greet all workers: one that is named and has left since would take half a minute."""
        return {"tcp://w:0": (STAMP, PROCESS, 6), "tcp://w:1": OSError("just ended"), "tcp://w:2": (STAMP, PROCESS, 7)}


def test_workers_that_leave_while_they_are_greeted_are_none() -> None:
    transport = carriers.DaskTransport(Rumour(), lambda: None)  # type: ignore[arg-type]  # as much of a client as it needs
    assert [(endpoint.name, endpoint.slots) for endpoint in transport.endpoints] == [("tcp://w:2", 2)]


class Deserted(Rumour):
    """A client whose scheduler has ended since."""

    def nthreads(self) -> dict[str, int]:
        raise OSError("Timed out trying to connect to tcp://s:1 after 30 s")


def test_a_scheduler_that_ends_while_it_is_asked_is_told() -> None:
    with pytest.raises(ExecutionError, match=r"^the connection to the Dask scheduler at tcp://s:1 is lost; "):
        carriers.DaskTransport(Deserted(), lambda: None)  # type: ignore[arg-type]  # as much of a client as it needs


class Watched(Rumour):
    """A client whose workers stay."""

    def subscribe_topic(self, *_: object) -> None: ...

    async def nthreads_later(self) -> dict[str, int]:
        return {"tcp://w:2": 2}

    def nthreads(self, *, asynchronous: bool = False) -> Any:
        return self.nthreads_later() if asynchronous else {"tcp://w:2": 2}


def test_a_transport_that_ends_as_a_worker_leaves_watches_no_more() -> None:
    client = Watched()
    transport = carriers.DaskTransport(client, lambda: None)  # type: ignore[arg-type]  # as much of a client as it needs

    async def watch() -> set[asyncio.Task[None]]:
        (start,) = client.calls
        start()
        await asyncio.sleep(0.01)
        transport._on_worker_event((0.0, {"action": "remove-worker"}))
        for watcher in transport._watchers:
            watcher.cancel()
        _, watching = await asyncio.wait(transport._watchers, timeout=0.2)
        return watching

    assert asyncio.run(watch()) == set()


class Sharing(Rumour):
    """A client that asks for all that ends together at once, as Dask's does: who cancels one question cancels all."""

    status = "running"
    id = "client"

    def __init__(self) -> None:
        super().__init__()
        self.asked: asyncio.Task[list[object]] | None = None

    def submit(self, *_: object, **__: object) -> object:
        return SimpleNamespace(done=lambda: True, status="finished")

    def run_calls(self) -> None:
        for call in self.calls[1:]:
            call()
        del self.calls[1:]

    async def gather(self, *_: object, **__: object) -> list[object]:
        if self.asked is None:
            self.asked = asyncio.ensure_future(self.answer())
        return await self.asked

    async def answer(self) -> list[object]:
        await asyncio.sleep(0.05)
        return [([b"outcome"], False)]


@pytest.mark.parametrize("by_us", [True, False])
def test_a_wait_that_is_cancelled_leaves_no_other_without_an_answer(by_us: bool) -> None:
    client = Sharing()
    transport = carriers.DaskTransport(client, lambda: None)  # type: ignore[arg-type]  # as much of a client as it needs

    async def two() -> None:
        transport.send(1, "tcp://w:2", [b"job"])
        transport.send(2, "tcp://w:2", [b"job"])
        client.run_calls()
        await asyncio.sleep(0.01)
        assert client.asked is not None
        if by_us:
            transport.cancel([1])
            client.run_calls()
        else:
            client.asked.cancel()
        await asyncio.sleep(0.1)

    asyncio.run(two())
    lost: list[Event] = [JobFailed(n, "Dask cancelled the wait for worker tcp://w:2", lost=True) for n in (1, 2)]
    assert transport.event_queue.take(0.0) == ([JobFinished(2, [b"outcome"])] if by_us else lost)


class Forgetting(Sharing):
    """A client whose scheduler has removed a worker that large inputs are sent to."""

    async def scatter(self, *_: object, **__: object) -> None:
        raise KeyError("tcp://w:1")


def test_a_job_whose_worker_leaves_before_its_inputs_arrive_is_lost() -> None:
    """It is sent again: only an error of the job itself shows that no worker can run it."""
    client = Forgetting()
    transport = carriers.DaskTransport(client, lambda: None)  # type: ignore[arg-type]  # as much of a client as it needs

    async def one() -> None:
        transport.send(1, "tcp://w:1", [bytes(2_000_000)])
        client.run_calls()
        await asyncio.sleep(0.05)

    asyncio.run(one())
    (event,) = transport.event_queue.take(0.0)
    assert event == JobFailed(1, "KeyError: 'tcp://w:1'", lost=True)
    # The next worker may be reached past the scheduler, as before.
    assert transport._direct


def test_workers_that_could_do_nothing_for_us_are_named() -> None:
    assert endpoint_of("tcp://w:1", 3, (STAMP, PROCESS, 7)) == ("tcp://w:1", 3, False, PROCESS, 7)
    with pytest.raises(ExecutionError, match="worker tcp://w:1 has daglite 9 on Python 2, the coordinator daglite 0"):
        endpoint_of("tcp://w:1", 1, ("daglite 9 on Python 2", "x", 7))
    with pytest.raises(ExecutionError, match="worker tcp://w:1 cannot run daglite: ModuleNotFoundError: No module"):
        endpoint_of("tcp://w:1", 1, ModuleNotFoundError("No module named 'daglite'"))
