"""Frozen option records: what the user asked of a save, of compile and of a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, TypedDict, get_args, runtime_checkable

from daglite.exceptions import ParameterError
from daglite.functions import suggest
from daglite.keys import KeyTemplate
from daglite.records import record

if TYPE_CHECKING:
    from daglite.events import Observer, Progress

__all__ = [
    "COMPILE_OPTIONS",
    "ClusterName",
    "Limits",
    "MIB",
    "RunOptions",
    "RunSettings",
    "Runtime",
    "RuntimeName",
    "Save",
    "StartMethod",
    "Store",
    "check_choice",
    "check_count",
    "check_start_method",
    "is_cluster",
    "settings_of",
]

MIB = 1024 * 1024
# Options that say nothing of how items are run: the plan sees to them.
_OF_THE_PLAN = ("store", "observers", "progress", "trace")
# What other libraries call the number of workers.
_WORKERS_ELSEWHERE = ("n_jobs", "processes", "max_workers", "num_workers", "nodes", "concurrency", "threads")
# Those of `compile`: a run tells who gives them to it where they belong, and the command line takes them, too.
COMPILE_OPTIONS = ("optimize", "window", "batch", "window_bytes", "helper_thread", "check_types")

RuntimeName = Literal["processes", "threads", "inline", "auto"]
# Engines on other machines; as text also with an address, "dask://host:port", which types cannot say.
ClusterName = Literal["dask", "ray"]
StartMethod = Literal["auto", "fork", "forkserver", "spawn"]


@runtime_checkable
class Store(Protocol):
    """What a run needs of a store; `DatasetStore` is one."""

    def save(self, key: str, value: object) -> None:
        """Keep `value` under `key`, replacing what an earlier run left there."""


class Runtime:
    """Where items run; `daglite.runtime` has them."""


@record
class Save:
    """Where a value or each item of a stream is kept; `store` None means the store of the run."""

    key: KeyTemplate
    store: Store | None


@record(eq=True)
class Limits:
    """What bounds a stream, decided at compile time and printed by `explain`.

    `window`: most items alive between source and ending; None means `per_worker` items for each worker.
    `nbytes`: most bytes of pickled items and results alive. `batch`: most items in one message.
    `helper_thread`: whether results and folds go on while the source is stuck in `next()`.
    """

    window: int | None = None
    per_worker: int = 512
    nbytes: int = 64 * MIB
    batch: int = 512
    helper_thread: bool = True

    def items(self, workers: int) -> int:
        """The window in items for a number of workers."""
        return self.window if self.window is not None else self.per_worker * workers

    def batch_items(self, workers: int) -> tuple[int, int]:
        """Most items in one batch, so that two for each worker fit into the window; and most where items are so cheap
        that one for each is enough. With one worker there must be two, or it and the coordinator wait for each other.
        """
        window = self.items(workers)
        each = window // (2 * workers)
        return max(1, min(self.batch, each)), max(1, min(self.batch, each if workers == 1 else 2 * each))


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
        if name in COMPILE_OPTIONS:
            raise ParameterError(f"'{name}' is an option of compile: write `daglite.compile(..., {name}=...).run()`")
        if name not in known:
            meant = "; did you mean 'workers'?" if name in _WORKERS_ELSEWHERE else suggest(name, known)
            raise ParameterError(f"unknown option '{name}'; known: {', '.join(known)}{meant}")
    given = {name: value for name, value in options.items() if name not in _OF_THE_PLAN}
    return RunSettings(**given, given=frozenset(given))  # type: ignore[arg-type]  # __post_init__ checks each value


def is_cluster(runtime: object) -> bool:
    """Whether this names an engine on other machines, with or without an address."""
    return isinstance(runtime, str) and runtime.partition("://")[0] in get_args(ClusterName)


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


def check_count(name: str, value: object, *, least: int) -> None:
    """Raise `ParameterError` unless `value` is a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ParameterError(f"`{name}` must be a whole number >= {least}; got {value!r}")


def check_start_method(value: object) -> None:
    """Raise `ParameterError` unless `value` is a start method."""
    check_choice("start_method", value, get_args(StartMethod))


def check_choice(name: str, value: object, allowed: tuple[str, ...]) -> None:
    """Raise `ParameterError` unless `value` is one of `allowed`."""
    if value not in allowed:
        meant = suggest(value, allowed) if isinstance(value, str) else ""
        raise ParameterError(f"`{name}` must be one of {', '.join(map(repr, allowed))}; got {value!r}{meant}")
