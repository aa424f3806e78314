"""The clusters that users choose: `Dask` and `Ray`. Their libraries are extras, and load when a run needs them.

The runtimes that users choose: `plan.run(runtime="inline")`, or an object with options of its own.
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


# Waiting work wants more threads than there are processors.
_SPARE_THREADS = 4
_MOST_THREADS = 32
# What the start and the end of a pool take, in seconds: at least, and for each worker.
_STARTS = {"fork": (0.003, 0.005), "forkserver": (0.06, 0.01), "spawn": (0.08, 0.08)}


class EngineConfig(Runtime):
    """A runtime of daglite's own: it lends a session to a run.

    `shares` tells whether tasks run in this process, on the items themselves; `options` are the options of a run that
    belong to an object of this class.
    """

    shares = True
    options: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def open(self) -> AbstractContextManager[Engine] | None:
        """Open an engine for one run, closed or kept on leaving; None when items run in the coordinator."""


class Inline(EngineConfig):
    """Everything in this process, one item after the other: the reference, and the one to debug with.

    Items are shared, not copied; time limits are not kept.
    """

    def open(self) -> None:
        return None

    def __repr__(self) -> str:
        return "Inline()"


class ReusableEngine(EngineConfig):
    """An engine whose sessions may be kept for many runs, as a context manager."""

    def __init__(self) -> None:
        self._kept: ResettableEngine | None = None
        self._entered = False
        self._owner = os.getpid()
        # Held by the run that uses the kept workers.
        self._use = threading.Lock()

    @abstractmethod
    def _create(self) -> ResettableEngine:
        """A new session."""

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
        # A process that the user forked has a copy of this object, but the workers are not its own.
        mine = self._entered and self._owner == os.getpid()
        # In an exit handler that runs late the kept workers have been ended, and nobody would end others.
        stranded = isinstance(self._kept, ProcessEngine) and self._kept.stranded
        if mine and not stranded and self._use.acquire(blocking=False):
            return self._lend()
        return contextlib.closing(self._create())

    @contextlib.contextmanager
    def _lend(self) -> Iterator[Engine]:
        try:
            if self._kept is None:
                self._kept = self._create()
            engine = self._kept
            try:
                yield engine
            finally:
                # If this does not go through (Ctrl-C), the workers are not fit for another run.
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
            self._use.release()


class Processes(ReusableEngine):
    """Worker processes, the default runtime.

    Used as it is, each run starts its workers and ends them. As a context manager it keeps them for many runs:

    >>> from daglite import task
    >>> @task
    ... def double(x: int) -> int:
    ...     return x * 2
    >>> with Processes(workers=2) as pool:
    ...     [double.map(x=[n, n + 1]).run(runtime=pool) for n in range(2)]
    [[0, 2], [2, 4]]

    A kept worker that a fault or an early end left busy is replaced before the next run. Two runs at once on one
    object each get workers: the second ones are its own. Kept workers that were forked see importable modules as they
    were at the start of the pool.
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
        """`workers`: how many (default: the processors this process may use). `max_items_per_worker`: a worker is
        replaced by a fresh one after so many items (default: never). Raises `ParameterError` for other values.
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
    """Worker threads of this process, for tasks that wait: for a network, a disk, another program.

    Items and results are shared, not copied, so nothing need be picklable. Python code of several threads takes turns,
    so tasks that calculate are no faster here. A thread cannot be stopped: a call over its `timeout` is reported and
    goes on, and a run that ends early waits half a second for calls under way, then leaves them behind.

    Used as it is, each run starts its threads and ends them. As a context manager it keeps them for many runs:

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
        """`workers`: most threads (default: four more than the processors this process may use, at most 32), each
        started when first needed. Raises `ParameterError` for other values.
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
        """Most threads."""
        return self._workers or min(_MOST_THREADS, usable_processors() + _SPARE_THREADS)


class _IsolatedThreads(Threads):
    """Worker threads whose items and results are copied, so that they mean what they mean on processes."""

    def _create(self) -> ResettableEngine:
        return threads.ThreadEngine(self.most, CopyingCodec())


class Auto(Processes):
    """In the coordinator first; on worker processes, or `threads`, when that pays. Items are copied in any case."""

    def __init__(
        self,
        workers: int | None = None,
        *,
        start_method: StartMethod = "auto",
        max_items_per_worker: int | None = None,
        choose: Callable[[PlacementOptions], PlacementPolicy] = PlacementPolicy,
    ) -> None:
        """As of `Processes`; `choose` makes what decides, one for each stream."""
        super().__init__(workers, start_method=start_method, max_items_per_worker=max_items_per_worker)
        self.threads = _IsolatedThreads(workers)
        self._choose = choose

    def __repr__(self) -> str:
        return f"Auto(workers={self._workers}, start_method={self._method!r})"

    def choice(self, *, started: bool) -> PlacementPolicy:
        """What decides for one stream; `started`: there are worker processes already."""
        processors = usable_processors()
        workers = self._workers or processors
        least, each = _STARTS[choose_method(self._method)]
        return self._choose(
            PlacementOptions(workers, self.threads.most, processors, 0.0 if started else least + each * workers)
        )


def engine_of(settings: RunSettings) -> EngineConfig:
    """The engine that a run asks for; raises `ParameterError` for options that belong elsewhere."""
    if isinstance(settings.runtime, EngineConfig):
        _refuse_options(settings, type(settings.runtime))
        return settings.runtime
    match settings.runtime:
        case "inline":
            return Inline()
        case "threads":
            for name in ("start_method", "max_items_per_worker"):
                if name in settings.given:
                    raise ParameterError(
                        f"`{name}` is an option of worker processes, and runtime 'threads' has none; leave it out"
                    )
            return Threads(settings.workers)
        case "processes":
            return Processes(
                settings.workers,
                start_method=settings.start_method,
                max_items_per_worker=settings.max_items_per_worker,
            )
        case "auto":
            return Auto(
                settings.workers,
                start_method=settings.start_method,
                max_items_per_worker=settings.max_items_per_worker,
            )
        case str(name) if is_cluster(name):
            for option in ("start_method", "max_items_per_worker"):
                if option in settings.given:
                    raise ParameterError(f"`{option}` is an option of worker processes here; leave it out on a cluster")
            return cluster_of(name, settings.workers)
        case other:
            names = ", ".join(map(repr, get_args(RuntimeName)))
            raise ParameterError(f"`runtime` must be {names} or a runtime of daglite; got {other!r}")


def _refuse_options(settings: RunSettings, cls: type[EngineConfig]) -> None:
    """What belongs to a runtime object is given to the object."""
    for name in ("workers", "start_method", "max_items_per_worker"):
        if name in settings.given and name in cls.options:
            raise ParameterError(f"`{name}` belongs to the runtime object: {cls.__name__}({name}=...)")
        if name in settings.given:
            raise ParameterError(f"`{name}` means nothing to the runtime object {cls.__name__}; leave it out")


class Dask(ReusableEngine):
    """Workers of a Dask cluster, on any number of machines. Needs the extra `daglite[dask]`.

    Given a `distributed.Client`, its cluster does the work, and the client stays open. Given the address of a scheduler
    ("host:port", "tcp://host:port", "tls://host:port"), each run connects to it and leaves. Given nothing, each run has
    a cluster of its own on this machine. As a context manager it stays connected, or keeps its cluster, for many runs.

    Workers need the same Python and daglite, and the modules that tasks are from.
    """

    shares = False
    options: ClassVar[tuple[str, ...]] = ("workers",)

    def __init__(self, client_or_address: dask.Client | str | None = None, *, workers: int | None = None) -> None:
        """`workers`: how many processes a cluster of its own has (default: the processors this process may use).

        Raises `ParameterError` for values of other kinds, and when Dask is not installed.
        """
        super().__init__()
        _require("distributed", "dask", "Dask")
        if workers is not None:
            check_count("workers", workers, least=1)
            if client_or_address is not None:
                raise ParameterError("`workers` is for a cluster of Dask's own; one that is there has its workers")
        self._target = client_or_address
        self._workers = workers
        if isinstance(client_or_address, str):
            self._target = _checked(client_or_address)
        elif client_or_address is not None and not hasattr(client_or_address, "scheduler"):
            raise ParameterError(
                "`Dask` takes a `distributed.Client`, the address of a scheduler, or nothing; "
                f"got {client_or_address!r}"
            )

    def __repr__(self) -> str:
        if isinstance(self._target, str):
            return f"Dask({_public(self._target)!r})"
        return f"Dask(workers={self._workers})" if self._target is None else "Dask(client)"

    def _create(self) -> ResettableEngine:
        client, close = self._opened()
        try:
            return clusters.ClusterEngine(dask.DaskTransport(client, close))
        except BaseException:
            close()
            raise

    def _opened(self) -> tuple[dask.Client, Callable[[], None]]:
        """A client, and how to give back what was opened for it."""
        if self._target is None:
            return dask.start_local_cluster(self._workers or usable_processors())
        if isinstance(self._target, str):
            client = dask.connect(self._target)
            return client, client.close
        return self._target, _nothing


class Ray(ReusableEngine):
    """Workers of a Ray cluster, on any number of machines. Needs the extra `daglite[ray]`.

    Where the program is connected to Ray already, that is where the work is done, and the connection stays. Given an
    address ("auto", "host:port"), each run connects to it and leaves. Given nothing, each run has a cluster of its own
    on this machine, and never joins one that is there. As a context manager it stays connected for many runs.

    Workers need the same Python and daglite, and the modules that tasks are from.
    """

    shares = False
    options: ClassVar[tuple[str, ...]] = ("workers",)

    def __init__(self, address: str | None = None, *, workers: int | None = None) -> None:
        """`workers`: how many processes a cluster of its own has (default: one for each processor).

        Raises `ParameterError` for values of other kinds, and when Ray is not installed.
        """
        super().__init__()
        _require("ray", "ray", "Ray")
        if address is not None and not isinstance(address, str):
            raise ParameterError(f"`Ray` takes the address of a cluster, or nothing; got {address!r}")
        if workers is not None:
            check_count("workers", workers, least=1)
            if address is not None:
                raise ParameterError("`workers` is for a cluster of Ray's own; one that is there has its workers")
        self._address = address
        self._workers = workers

    def __repr__(self) -> str:
        return f"Ray({_public(self._address)!r})" if self._address is not None else f"Ray(workers={self._workers})"

    def _create(self) -> ResettableEngine:
        close = ray.connect(self._address, self._workers)
        try:
            return clusters.ClusterEngine(ray.RayTransport(close))
        except BaseException:
            close()
            raise


def _nothing() -> None:
    """A client that was given is not ours to close."""


def cluster_of(name: str, workers: int | None) -> ReusableEngine:
    """The runtime that a name or URL stands for; raises `ParameterError` for others."""
    if name == "dask":
        return Dask(workers=workers)
    if name == "ray":
        return Ray(workers=workers)
    scheme, _, place = name.partition("://")
    if scheme == "dask" and place:
        return Dask(place, workers=workers)
    raise ParameterError(
        f"a cluster is 'dask', 'dask://host:port' or 'ray'; got {_public(name)!r}. "
        "For a Ray cluster that is there use `daglite.runtime.Ray(address)`"
    )


def _require(module: str, extra: str, engine: str) -> None:
    if util.find_spec(module) is None:
        raise ParameterError(f"{engine} is not installed; it comes with the extra: pip install 'daglite[{extra}]'")


def _checked(address: str) -> str:
    """The address of a scheduler as Dask writes it."""
    text = address.removeprefix("dask://")
    full = text if "://" in text else f"tcp://{text}"
    scheme, _, place = full.partition("://")
    host, _, port = place.rpartition(":")
    if not place or (scheme in ("tcp", "tls") and not (host and port.isdecimal())):
        raise ParameterError(f"the address of a Dask scheduler is 'host:port'; got {_public(address)!r}")
    return full


def _public(address: str) -> str:
    """An address without what may be a secret in it."""
    head, at, rest = address.rpartition("@")
    scheme = f"{head.partition('://')[0]}://" if "://" in head else ""
    return f"{scheme}...@{rest}" if at else address
