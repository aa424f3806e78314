"""The options of a run: what users write, and the validated record that the runtime reads."""

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

# Options that say nothing of how items are run: the plan sees to them.
_OF_THE_PLAN = ("store", "observers", "progress", "trace")
# What other libraries call the number of workers.
_WORKERS_ELSEWHERE = ("n_jobs", "processes", "max_workers", "num_workers", "nodes", "concurrency", "threads")
# Those of `compile`: a run tells who gives them to it where they belong, and the command line takes them, too.
COMPILE_OPTIONS = (
    "optimize",
    "max_in_flight",
    "max_batch_size",
    "max_in_flight_bytes",
    "helper_thread",
    "check_types",
)


class RunOptions(TypedDict, total=False):
    """The keyword options of `run`, `run_async` and `stream`.

    runtime: "processes" (default), "threads", "inline", "auto", "dask", "dask://host:port", "ray", or an object of
        `daglite.runtime`, such as `Ray("host:port")`.
    workers: number of worker processes; default: the processors this process may use (of threads: 4 more, at most 32).
    start_method: of processes: "auto" (default), "fork", "forkserver" or "spawn".
    worker_retries: how often an item starts again when its worker died (default 2; 0 ends the run at once).
    max_items_per_worker: of processes: a worker is replaced after so many items (default: never).
    seed: what the `daglite.item_seed` of tasks comes from (default 0).
    max_failures: how many items may fail at tasks with `on_error` or `.attempt` (default: any number).
    store: where saves without a `save_store` go: a store or a folder (default: the folder "daglite_data").
    observers: who is told what happens, see `daglite.events`; `daglite.observe` has some.
    progress: None (default) shows long runs on a terminal and in notebooks, True on any error output, False never; a
        function is called with a `daglite.events.Progress` some times a second.
    trace: a file for the times of all batches, which Perfetto and `daglite timeline` show.
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
    """`RunOptions` after validation, without what the plan sees to; `workers` None leaves their number to the runtime.

    `given` names the options that were given, as opposed to left at their defaults.
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
    """Validate the options of a run; raises `ParameterError` for unknown names and values that are not allowed."""
    known = RunOptions.__annotations__
    for name in options:
        now = RENAMED.get(name, name)
        if now in COMPILE_OPTIONS:
            renamed = f", now called '{now}'" if now != name else ""
            raise ParameterError(
                f"'{name}' is an option of compile{renamed}: write `daglite.compile(..., {now}=...).run()`"
            )
        if name not in known:
            meant = "; did you mean 'workers'?" if name in _WORKERS_ELSEWHERE else suggest(name, known)
            raise ParameterError(f"unknown option '{name}'; known: {', '.join(known)}{meant}")
    given = {name: value for name, value in options.items() if name not in _OF_THE_PLAN}
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
