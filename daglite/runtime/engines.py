"""The runtimes that users choose: `plan.run(runtime="inline")`, or an object with options of its own."""

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
from daglite.options import (
    RunSettings,
    Runtime,
    RuntimeName,
    StartMethod,
    check_count,
    check_start_method,
    is_cluster,
)
from daglite.runtime.auto.choice import Choice, Places
from daglite.runtime.codec import Copying
from daglite.runtime.executor import Session
from daglite.runtime.processes.pool import ProcessSession
from daglite.runtime.processes.process import choose_method, usable_processors
from daglite.runtime.travel.shared import Arena
from daglite.runtime.travel.wire import Codec

if TYPE_CHECKING:
    import daglite.runtime.clusters.engines as clusters
    from daglite.runtime.threads import session as threads
else:
    threads = lazy("daglite.runtime.threads.session")
    clusters = lazy("daglite.runtime.clusters.engines")

__all__ = ["Auto", "Engine", "Inline", "Kept", "Processes", "Threads", "engine_of"]

# Waiting work wants more threads than there are processors.
_SPARE_THREADS = 4
_MOST_THREADS = 32
# What the start and the end of a pool take, in seconds: at least, and for each worker.
_STARTS = {"fork": (0.003, 0.005), "forkserver": (0.06, 0.01), "spawn": (0.08, 0.08)}


class Engine(Runtime):
    """A runtime of daglite's own: it lends a session to a run.

    `shares` tells whether tasks run in this process, on the items themselves; `options` are the options of a run that
    belong to an object of this class.
    """

    shares = True
    options: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def lease(self) -> AbstractContextManager[Session] | None:
        """A session for one run, ended or given back on leaving; None when items run in the coordinator."""


class Inline(Engine):
    """Everything in this process, one item after the other: the reference, and the one to debug with.

    Items are shared, not copied; time limits are not kept.
    """

    def lease(self) -> None:
        return None

    def __repr__(self) -> str:
        return "Inline()"


class Kept(Engine):
    """An engine whose sessions may be kept for many runs, as a context manager."""

    def __init__(self) -> None:
        self._kept: Session | None = None
        self._entered = False
        self._owner = os.getpid()
        # Held by the run that uses the kept workers.
        self._use = threading.Lock()

    @abstractmethod
    def _session(self) -> Session:
        """A new session."""

    def __enter__(self) -> Self:
        if self._entered:
            name = type(self).__name__
            raise ParameterError(f"this `{name}` is in use by another `with` block; make one for each")
        self._entered = True
        self._owner = os.getpid()
        self._kept = self._session()
        return self

    def __exit__(self, *_: object) -> None:
        self._entered = False
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()

    def lease(self) -> AbstractContextManager[Session]:
        # A process that the user forked has a copy of this object, but the workers are not its own.
        mine = self._entered and self._owner == os.getpid()
        # In an exit handler that runs late the kept workers have been ended, and nobody would end others.
        stranded = isinstance(self._kept, ProcessSession) and self._kept.stranded
        if mine and not stranded and self._use.acquire(blocking=False):
            return self._lend()
        return contextlib.closing(self._session())

    @contextlib.contextmanager
    def _lend(self) -> Iterator[Session]:
        try:
            if self._kept is None:
                self._kept = self._session()
            session = self._kept
            try:
                yield session
            finally:
                # If this does not go through (Ctrl-C), the workers are not fit for another run.
                self._kept = None
                try:
                    session.recycle()
                except BaseException:
                    session.close()
                    raise
                if self._entered:
                    self._kept = session
                else:
                    session.close()
        finally:
            self._use.release()


class Processes(Kept):
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

    def _session(self) -> Session:
        return ProcessSession(self._workers or usable_processors(), self._method, Codec("c", Arena()), self._most)


class Threads(Kept):
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

    def _session(self) -> Session:
        return threads.ThreadSession(self.most)

    @property
    def most(self) -> int:
        """Most threads."""
        return self._workers or min(_MOST_THREADS, usable_processors() + _SPARE_THREADS)


class _Separate(Threads):
    """Worker threads whose items and results are copied, so that they mean what they mean on processes."""

    def _session(self) -> Session:
        return threads.ThreadSession(self.most, Copying())


class Auto(Processes):
    """In the coordinator first; on worker processes, or `threads`, when that pays. Items are copied in any case."""

    def __init__(
        self,
        workers: int | None = None,
        *,
        start_method: StartMethod = "auto",
        max_items_per_worker: int | None = None,
        choose: Callable[[Places], Choice] = Choice,
    ) -> None:
        """As of `Processes`; `choose` makes what decides, one for each stream."""
        super().__init__(workers, start_method=start_method, max_items_per_worker=max_items_per_worker)
        self.threads = _Separate(workers)
        self._choose = choose

    def __repr__(self) -> str:
        return f"Auto(workers={self._workers}, start_method={self._method!r})"

    def choice(self, *, started: bool) -> Choice:
        """What decides for one stream; `started`: there are worker processes already."""
        processors = usable_processors()
        workers = self._workers or processors
        least, each = _STARTS[choose_method(self._method)]
        return self._choose(Places(workers, self.threads.most, processors, 0.0 if started else least + each * workers))


def engine_of(settings: RunSettings) -> Engine:
    """The engine that a run asks for; raises `ParameterError` for options that belong elsewhere."""
    if isinstance(settings.runtime, Engine):
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
            return clusters.cluster_of(name, settings.workers)
        case other:
            names = ", ".join(map(repr, get_args(RuntimeName)))
            raise ParameterError(f"`runtime` must be {names} or a runtime of daglite; got {other!r}")


def _refuse_options(settings: RunSettings, cls: type[Engine]) -> None:
    """What belongs to a runtime object is given to the object."""
    for name in ("workers", "start_method", "max_items_per_worker"):
        if name in settings.given and name in cls.options:
            raise ParameterError(f"`{name}` belongs to the runtime object: {cls.__name__}({name}=...)")
        if name in settings.given:
            raise ParameterError(f"`{name}` means nothing to the runtime object {cls.__name__}; leave it out")
