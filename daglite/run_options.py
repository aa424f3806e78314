"""The options of a run, as users give them, and the validated record that the runtime reads."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypedDict, get_args

from daglite.exceptions import ParameterError
from daglite.functions import suggest
from daglite.options import (
    RENAMED,
    ClusterName,
    Runtime,
    RuntimeName,
    StartMethod,
    Store,
    check_count,
    check_start_method,
    is_cluster,
)
from daglite.records import record

if TYPE_CHECKING:
    from daglite.events import Observer, Progress

# Options that the plan handles: they do not affect how items run.
_OPTIONS_OF_PLAN = ("store", "observers", "progress", "trace")
# Names of the option `workers` in other libraries.
_WORKERS_ELSEWHERE = ("n_jobs", "processes", "max_workers", "num_workers", "nodes", "concurrency", "threads")
# The options of `compile`: a run rejects them with advice, the command line accepts them.
COMPILE_OPTIONS = ("optimize", "max_in_flight", "max_batch_size", "max_in_flight_bytes", "helper_thread", "check_types")


class RunOptions(TypedDict, total=False):
    """The keyword options of `run`, `run_async` and `stream`.

    runtime: "processes" (default), "threads", "inline", "auto", "dask", "dask://host:port", "ray", or an object of
        `daglite.runtime`, such as `Ray("host:port")`.
    workers: number of workers (default: the processors that this process may use; of threads 4 more, at most 32).
    start_method: how worker processes start: "auto" (default), "fork", "forkserver" or "spawn".
    worker_retries: how often an item is retried when its worker died (default 2; 0 ends the run at once).
    max_items_per_worker: number of items after which a worker process is replaced (default: never).
    seed: the seed of `daglite.item_seed` (default 0).
    max_failures: most items that may fail at tasks with `on_error` or `.attempt` (default: any number).
    store: the store, or the folder, of saves without a `save_store` (default: the folder "daglite_data").
    observers: objects that receive the events of the run, see `daglite.events`; `daglite.observe` has some.
    progress: None (default) shows long runs on a terminal and in notebooks, True also elsewhere on standard error,
        False never; a function is called with a `daglite.events.Progress` some times a second.
    trace: a file for the times of all batches, for Perfetto and `daglite timeline`.
    """

    runtime: RuntimeName | ClusterName | Runtime
    workers: int
    start_method: StartMethod
    worker_retries: int
    max_items_per_worker: int
    seed: int
    max_failures: int
    store: Store | str | os.PathLike[str]
    observers: Sequence[Observer]
    progress: bool | Callable[[Progress], object] | None
    trace: str | os.PathLike[str]


@record(eq=True)
class RunSettings:
    """`RunOptions` after validation, without those that the plan handles; `workers` None: the runtime chooses.

    `given` names the options that were given, as opposed to left at their defaults. Raises `ParameterError` for values
    that are not allowed.
    """

    runtime: RuntimeName | ClusterName | Runtime = "processes"
    workers: int | None = None
    start_method: StartMethod = "auto"
    worker_retries: int = 2
    max_items_per_worker: int | None = None
    seed: int = 0
    max_failures: int | None = None
    given: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        _check_runtime(self.runtime)
        check_start_method(self.start_method)
        for name, value in (("workers", self.workers), ("max_items_per_worker", self.max_items_per_worker)):
            if value is not None:
                check_count(name, value, least=1)
        check_count("worker_retries", self.worker_retries, least=0)
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise ParameterError(f"`seed` must be a whole number; got {self.seed!r}")
        if self.max_failures is not None:
            check_count("max_failures", self.max_failures, least=0)


def settings_of(options: RunOptions) -> RunSettings:
    """Validate the options of a run; raise `ParameterError` for unknown names and values that are not allowed."""
    known = RunOptions.__annotations__
    for name in options:
        now = RENAMED.get(name, name)
        if now in COMPILE_OPTIONS:
            renamed = f", now called '{now}'" if now != name else ""
            raise ParameterError(f"'{name}' is an option of compile{renamed}: write `daglite.compile(..., {now}=...)`")
        if name not in known:
            meant = "; did you mean 'workers'?" if name in _WORKERS_ELSEWHERE else suggest(name, known)
            raise ParameterError(f"unknown option '{name}'; known: {', '.join(known)}{meant}")
    given = {name: value for name, value in options.items() if name not in _OPTIONS_OF_PLAN}
    return RunSettings(**given, given=frozenset(given))  # type: ignore[arg-type]  # __post_init__ checks each value


def _check_runtime(value: object) -> None:
    names = get_args(RuntimeName)
    if isinstance(value, Runtime) or is_cluster(value) or (isinstance(value, str) and value in names):
        return
    known = (*names, "dask", "dask://host:port", "ray")
    near = suggest(value, known) if isinstance(value, str) else ""
    if isinstance(value, type) and issubclass(value, Runtime):
        near = f"; write `{value.__name__}()`"
    raise ParameterError(
        f"`runtime` must be one of {', '.join(map(repr, known))}, or an object of `daglite.runtime` such as "
        f"`Processes(workers=4)`, `Dask(client)` or `Ray('host:port')`; got {value!r}{near}"
    )
