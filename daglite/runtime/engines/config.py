"""The runtimes that users choose: a name (`plan.run(runtime="inline")`), or an object with options of its own.

Each is an `EngineConfig`, which opens an engine for a run. The libraries of `Dask` and `Ray` are extras of daglite and
load when a run needs them.
"""

from __future__ import annotations

import contextlib
import os
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, ClassVar, Self, get_args

from daglite.exceptions import ParameterError
from daglite.lazy import lazy
from daglite.options import Runtime, RuntimeName, StartMethod, check_count, check_start_method, is_cluster
from daglite.run_options import RunSettings
from daglite.runtime.engines.base import Engine, ResettableEngine
from daglite.runtime.engines.cost_model import PlacementOptions, PlacementPolicy
from daglite.runtime.engines.processes.pool import ProcessEngine
from daglite.runtime.engines.processes.worker_handle import choose_method, usable_processors
from daglite.runtime.serialization.codec import CopyingCodec
from daglite.runtime.serialization.pickler import Codec
from daglite.runtime.transport.shared_memory import Arena

if TYPE_CHECKING:
    import importlib.util as util

    import daglite.runtime.engines.clusters.dask as dask
    import daglite.runtime.engines.clusters.ray as ray
    from daglite.runtime.engines.clusters import engine as clusters
    from daglite.runtime.engines.threads import pool as threads
else:
    threads = lazy("daglite.runtime.engines.threads.pool")
    clusters = lazy("daglite.runtime.engines.clusters.engine")
    dask, ray = lazy("daglite.runtime.engines.clusters.dask"), lazy("daglite.runtime.engines.clusters.ray")
    # Seldom needed, and slow to load.
    util = lazy("importlib.util")


# Tasks that wait need more threads than there are processors.
_SPARE_THREADS = 4
_MOST_THREADS = 32
# Options of a run that only worker processes have.
_PROCESS_OPTIONS = ("start_method", "max_items_per_worker")
# Seconds that the start and the end of a pool take: at least, and for each worker.
_START_SECONDS = {"fork": (0.003, 0.005), "forkserver": (0.06, 0.01), "spawn": (0.08, 0.08)}


class EngineConfig(Runtime):
    """A runtime of daglite: it opens an engine for a run.

    `shares` tells whether tasks run in this process, on the items themselves. `options` are the options of a run that
    are given to an object of this class instead.
    """

    shares = True
    options: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def open(self) -> AbstractContextManager[Engine] | None:
        """Open an engine for one run; on leaving it is closed, or kept for the next run.

        None when items run in the coordinator.
        """


class Inline(EngineConfig):
    """Run everything in this process, one item after the other: the reference, and the runtime to debug with.

    Items are shared, not copied. Time limits have no effect.

    >>> from daglite import task
    >>> @task
    ... def double(x: int) -> int:
    ...     return x * 2
    >>> double.map(x=[1, 2]).run(runtime=Inline())
    [2, 4]
    """

    def open(self) -> None:
        return None

    def __repr__(self) -> str:
        return "Inline()"


class ReusableEngine(EngineConfig):
    """A runtime that keeps its engine for many runs when it is used as a context manager."""

    def __init__(self) -> None:
        self._kept: ResettableEngine | None = None
        self._entered = False
        self._owner = os.getpid()
        # Held by the run that uses the kept engine.
        self._in_use = threading.Lock()

    @abstractmethod
    def _create(self) -> ResettableEngine:
        """Create an engine."""

    def __enter__(self) -> Self:
        if self._entered:
            name = type(self).__name__
            raise ParameterError(f"this `{name}` is in use by another `with` block; make one for each")
        self._entered = True
        self._owner = os.getpid()
        self._kept = self._create()
        return self

    def __exit__(self, *_: object) -> None:
        self._entered = False
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()

    def open(self) -> AbstractContextManager[Engine]:
        # A process that the user forked has a copy of this object, but the workers are not its children.
        keeps = self._entered and self._owner == os.getpid()
        # In an exit handler that runs late the kept workers have been killed, and others would not be killed.
        exiting = isinstance(self._kept, ProcessEngine) and self._kept.exiting
        if keeps and not exiting and self._in_use.acquire(blocking=False):
            return self._use_kept()
        return contextlib.closing(self._create())

    @contextlib.contextmanager
    def _use_kept(self) -> Iterator[Engine]:
        try:
            engine = self._kept or self._create()
            self._kept = engine
            try:
                yield engine
            finally:
                # Without a reset (Ctrl-C) the workers cannot serve another run.
                self._kept = None
                try:
                    engine.reset()
                except BaseException:
                    engine.close()
                    raise
                if self._entered:
                    self._kept = engine
                else:
                    engine.close()
        finally:
            self._in_use.release()


class Processes(ReusableEngine):
    """Run tasks in worker processes. This is the default runtime.

    Without a `with` block each run starts its workers and ends them. As a context manager it keeps them for many runs:

    >>> from daglite import task
    >>> @task
    ... def double(x: int) -> int:
    ...     return x * 2
    >>> with Processes(workers=2) as pool:
    ...     [double.map(x=[n, n + 1]).run(runtime=pool) for n in range(2)]
    [[0, 2], [2, 4]]

    A kept worker that an error or an early end left busy is replaced before the next run. A run that starts while
    another one uses the kept workers has workers of its own. Kept workers that were forked see importable modules as
    they were at the start of the pool.
    """

    shares = False
    options = ("workers", "start_method", "max_items_per_worker")

    def __init__(
        self,
        workers: int | None = None,
        *,
        start_method: StartMethod = "auto",
        max_items_per_worker: int | None = None,
    ) -> None:
        """`workers`: the number of processes (default: the processors this process may use). `start_method`: "fork",
        "forkserver", "spawn" or "auto". `max_items_per_worker`: the number of items after which a worker is replaced by
        a new one (default: never). Raises `ParameterError` for other values.
        """
        super().__init__()
        for name, value in (("workers", workers), ("max_items_per_worker", max_items_per_worker)):
            if value is not None:
                check_count(name, value, least=1)
        check_start_method(start_method)
        self._workers = workers
        self._method: StartMethod = start_method
        self._most = max_items_per_worker

    def __repr__(self) -> str:
        return f"Processes(workers={self._workers}, start_method={self._method!r})"

    def _create(self) -> ResettableEngine:
        return ProcessEngine(self._workers or usable_processors(), self._method, Codec("c", Arena()), self._most)


class Threads(ReusableEngine):
    """Run tasks in threads of this process, for tasks that wait: for a network, a disk, another program.

    Items and results are shared, not copied, so they need not be picklable. Python code of several threads takes turns,
    so tasks that compute are no faster here. A thread cannot be stopped: a call that exceeds its `timeout` is reported
    and goes on, and a run that ends early waits half a second for calls in progress, then returns without them.

    Without a `with` block each run starts its threads and ends them. As a context manager it keeps them for many runs:

    >>> from daglite import task
    >>> @task
    ... def double(x: int) -> int:
    ...     return x * 2
    >>> with Threads(workers=8) as threads:
    ...     [double.map(x=[n, n + 1]).run(runtime=threads) for n in range(2)]
    [[0, 2], [2, 4]]
    """

    options = ("workers",)

    def __init__(self, workers: int | None = None) -> None:
        """`workers`: the largest number of threads (default: four more than the processors this process may use, at
        most 32). Each is started when it is first needed. Raises `ParameterError` for other values.
        """
        super().__init__()
        if workers is not None:
            check_count("workers", workers, least=1)
        self._workers = workers

    def __repr__(self) -> str:
        return f"Threads(workers={self._workers})"

    def _create(self) -> ResettableEngine:
        return threads.ThreadEngine(self.most)

    @property
    def most(self) -> int:
        """The largest number of threads."""
        return self._workers or min(_MOST_THREADS, usable_processors() + _SPARE_THREADS)


class _IsolatedThreads(Threads):
    """Worker threads whose items and results are copied, so that tasks behave as in worker processes."""

    def _create(self) -> ResettableEngine:
        return threads.ThreadEngine(self.most, CopyingCodec())


class Auto(Processes):
    """Run a stream in the coordinator first, then in processes or threads if that is faster. Items are copied."""

    def __init__(
        self,
        workers: int | None = None,
        *,
        start_method: StartMethod = "auto",
        max_items_per_worker: int | None = None,
        choose: Callable[[PlacementOptions], PlacementPolicy] = PlacementPolicy,
    ) -> None:
        """`choose` creates the placement policy of each stream; the other options are those of `Processes`."""
        super().__init__(workers, start_method=start_method, max_items_per_worker=max_items_per_worker)
        self.threads = _IsolatedThreads(workers)
        self._choose = choose

    def __repr__(self) -> str:
        return f"Auto(workers={self._workers}, start_method={self._method!r})"

    def choice(self, *, started: bool) -> PlacementPolicy:
        """Create the placement policy of one stream; `started`: there are worker processes already."""
        processors = usable_processors()
        workers = self._workers or processors
        least, each = _START_SECONDS[choose_method(self._method)]
        return self._choose(
            PlacementOptions(workers, self.threads.most, processors, 0.0 if started else least + each * workers)
        )


class Dask(ReusableEngine):
    """Run tasks on a Dask cluster, on any number of machines. Needs the extra `daglite[dask]`.

    With a `distributed.Client`, its cluster runs the tasks, and the client stays open. With the address of a scheduler
    ("host:port", "tcp://host:port", "tls://host:port"), each run opens a connection and closes it. With neither, each
    run starts a cluster on this machine. As a context manager it keeps its connection or its cluster for many runs.

    Workers need the same Python and daglite, and the modules that define the tasks.
    """

    shares = False
    options: ClassVar[tuple[str, ...]] = ("workers",)

    def __init__(self, client_or_address: dask.Client | str | None = None, *, workers: int | None = None) -> None:
        """`workers`: the number of processes of a cluster on this machine (default: the processors usable here).

        Raises `ParameterError` for values of other kinds, and when Dask is not installed.
        """
        super().__init__()
        _check_cluster("distributed", "Dask", workers, own=client_or_address is None)
        self._target = client_or_address
        self._workers = workers
        if isinstance(client_or_address, str):
            self._target = _scheduler_address(client_or_address)
        elif client_or_address is not None and not hasattr(client_or_address, "scheduler"):
            raise ParameterError(
                "`Dask` takes a `distributed.Client`, the address of a scheduler, or nothing; "
                f"got {client_or_address!r}"
            )

    def __repr__(self) -> str:
        if isinstance(self._target, str):
            return f"Dask({_redacted(self._target)!r})"
        return f"Dask(workers={self._workers})" if self._target is None else "Dask(client)"

    def _create(self) -> ResettableEngine:
        # `close` closes what is opened here; a client that was given stays open.
        if self._target is None:
            client, close = dask.start_local_cluster(self._workers or usable_processors())
        elif isinstance(self._target, str):
            client = dask.connect(self._target)
            close = client.close
        else:
            client, close = self._target, lambda: None
        try:
            return clusters.ClusterEngine(dask.DaskTransport(client, close))
        except BaseException:
            close()
            raise


class Ray(ReusableEngine):
    """Run tasks on a Ray cluster, on any number of machines. Needs the extra `daglite[ray]`.

    A program that is connected to Ray already uses that connection, and it stays open. With an address ("auto",
    "host:port"), each run opens a connection and closes it. With neither, each run starts a cluster on this machine and
    never joins an existing one. As a context manager it keeps its connection for many runs.

    Workers need the same Python and daglite, and the modules that define the tasks.
    """

    shares = False
    options: ClassVar[tuple[str, ...]] = ("workers",)

    def __init__(self, address: str | None = None, *, workers: int | None = None) -> None:
        """`workers`: the number of processes of a cluster on this machine (default: one for each processor).

        Raises `ParameterError` for values of other kinds, and when Ray is not installed.
        """
        super().__init__()
        _check_cluster("ray", "Ray", workers, own=address is None)
        if address is not None and not isinstance(address, str):
            raise ParameterError(f"`Ray` takes the address of a cluster, or nothing; got {address!r}")
        self._address = address
        self._workers = workers

    def __repr__(self) -> str:
        return f"Ray({_redacted(self._address)!r})" if self._address is not None else f"Ray(workers={self._workers})"

    def _create(self) -> ResettableEngine:
        close = ray.connect(self._address, self._workers)
        try:
            return clusters.ClusterEngine(ray.RayTransport(close))
        except BaseException:
            close()
            raise


def engine_of(settings: RunSettings) -> EngineConfig:
    """Return the runtime that a run asks for; raise `ParameterError` for options that it does not have."""
    runtime = settings.runtime
    if isinstance(runtime, EngineConfig):
        cls = type(runtime)
        for name in ("workers", *_PROCESS_OPTIONS):
            if name in settings.given and name in cls.options:
                raise ParameterError(f"`{name}` belongs to the runtime object: {cls.__name__}({name}=...)")
            if name in settings.given:
                raise ParameterError(f"`{name}` means nothing to the runtime object {cls.__name__}; leave it out")
        return runtime
    if runtime == "inline":
        return Inline()
    if runtime in ("processes", "auto"):
        return (Processes if runtime == "processes" else Auto)(
            settings.workers,
            start_method=settings.start_method,
            max_items_per_worker=settings.max_items_per_worker,
        )
    if runtime == "threads":
        _refuse_process_options(settings, ", and runtime 'threads' has none; leave it out")
        return Threads(settings.workers)
    if isinstance(runtime, str) and is_cluster(runtime):
        _refuse_process_options(settings, " here; leave it out on a cluster")
        return _cluster(runtime, settings.workers)
    names = ", ".join(map(repr, get_args(RuntimeName)))
    raise ParameterError(f"`runtime` must be {names} or a runtime of daglite; got {runtime!r}")


def _refuse_process_options(settings: RunSettings, why: str) -> None:
    for name in _PROCESS_OPTIONS:
        if name in settings.given:
            raise ParameterError(f"`{name}` is an option of worker processes{why}")


def _cluster(name: str, workers: int | None) -> ReusableEngine:
    """Return the runtime of a cluster name or URL; raise `ParameterError` for others."""
    if name == "dask":
        return Dask(workers=workers)
    if name == "ray":
        return Ray(workers=workers)
    scheme, _, address = name.partition("://")
    if scheme == "dask" and address:
        return Dask(address, workers=workers)
    raise ParameterError(
        f"a cluster is 'dask', 'dask://host:port' or 'ray'; got {_redacted(name)!r}. "
        "For a Ray cluster that is there use `daglite.runtime.Ray(address)`"
    )


def _check_cluster(module: str, cls: str, workers: int | None, *, own: bool) -> None:
    """Raise `ParameterError` when the library is missing, or for `workers` of a cluster that is not daglite's `own`."""
    if util.find_spec(module) is None:
        raise ParameterError(f"{cls} is not installed; it comes with the extra: pip install 'daglite[{cls.lower()}]'")
    if workers is not None:
        check_count("workers", workers, least=1)
        if not own:
            raise ParameterError(f"`workers` is for a cluster of {cls}'s own; one that is there has its workers")


def _scheduler_address(address: str) -> str:
    """Return the address of a scheduler as Dask writes it; raise `ParameterError` for other texts."""
    text = address.removeprefix("dask://")
    full = text if "://" in text else f"tcp://{text}"
    scheme, _, place = full.partition("://")
    host, _, port = place.rpartition(":")
    if not place or (scheme in ("tcp", "tls") and not (host and port.isdecimal())):
        raise ParameterError(f"the address of a Dask scheduler is 'host:port'; got {_redacted(address)!r}")
    return full


def _redacted(address: str) -> str:
    """Return an address without the user name and password."""
    head, at, rest = address.rpartition("@")
    scheme = f"{head.partition('://')[0]}://" if "://" in head else ""
    return f"{scheme}...@{rest}" if at else address
