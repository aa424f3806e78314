"""The runtimes that users choose: `plan.run(runtime="inline")`, or an object with options of its own."""

from __future__ import annotations

import contextlib
import os
import threading
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Self

from daglite.exceptions import ParameterError
from daglite.options import RunSettings, Runtime, StartMethod, check_count, check_start_method
from daglite.runtime.executor import Session
from daglite.runtime.pool import ProcessSession
from daglite.runtime.process import usable_processors
from daglite.runtime.wire import Codec

__all__ = ["Engine", "Inline", "Processes", "engine_of"]


class Engine(Runtime):
    """A runtime of daglite's own: it lends a session to a run."""

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


class Processes(Engine):
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
        for name, value in (("workers", workers), ("max_items_per_worker", max_items_per_worker)):
            if value is not None:
                check_count(name, value, least=1)
        check_start_method(start_method)
        self._workers = workers
        self._method: StartMethod = start_method
        self._most = max_items_per_worker
        self._kept: ProcessSession | None = None
        self._entered = False
        self._owner = os.getpid()
        # Held by the run that uses the kept workers.
        self._use = threading.Lock()

    def __enter__(self) -> Self:
        if self._entered:
            raise ParameterError("this `Processes` is in use by another `with` block; make one for each")
        self._entered = True
        self._owner = os.getpid()
        self._kept = self._session()
        return self

    def __exit__(self, *_: object) -> None:
        self._entered = False
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()

    def __repr__(self) -> str:
        return f"Processes(workers={self._workers}, start_method={self._method!r})"

    def lease(self) -> AbstractContextManager[Session]:
        # A process that the user forked has a copy of this object, but the workers are not its own.
        mine = self._entered and self._owner == os.getpid()
        # In an exit handler that runs late the kept workers have been ended, and nobody would end others.
        stranded = self._kept is not None and self._kept.stranded
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

    def _session(self) -> ProcessSession:
        return ProcessSession(self._workers or usable_processors(), self._method, Codec("c"), self._most)


def engine_of(settings: RunSettings) -> Engine:
    """The engine that a run asks for; raises `ParameterError` for options that belong to the object given."""
    if isinstance(settings.runtime, Engine):
        for name in ("workers", "start_method", "max_items_per_worker"):
            if name in settings.given:
                raise ParameterError(
                    f"`{name}` belongs to the runtime object: {type(settings.runtime).__name__}({name}=...)"
                )
        return settings.runtime
    if settings.runtime == "inline":
        return Inline()
    if settings.runtime != "processes":
        raise ParameterError(
            f"`runtime` must be 'processes', 'inline' or a runtime of daglite; got {settings.runtime!r}"
        )
    return Processes(
        settings.workers, start_method=settings.start_method, max_items_per_worker=settings.max_items_per_worker
    )
