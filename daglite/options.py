"""Options as frozen records: of a save and of compile; and checks that the options of a run share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, get_args, runtime_checkable

from daglite.exceptions import ParameterError
from daglite.functions import suggest
from daglite.keys import KeyTemplate
from daglite.lazy import renamed
from daglite.records import record

MIB = 1024 * 1024
# Former names of options of `compile`, with the present ones.
RENAMED = {"window": "max_in_flight", "window_bytes": "max_in_flight_bytes", "batch": "max_batch_size"}

RuntimeName = Literal["processes", "threads", "inline", "auto"]
# Engines on other machines; "dask://host:port", with an address, is allowed too, which types cannot express.
ClusterName = Literal["dask", "ray"]
StartMethod = Literal["auto", "fork", "forkserver", "spawn"]


@runtime_checkable
class Store(Protocol):
    """The interface of a store of saves; `DatasetStore` has it."""

    def save(self, key: str, value: object) -> None:
        """Keep `value` under `key`, in place of an earlier value."""


class Runtime:
    """The base class of the runtimes in `daglite.runtime`."""


@record
class Save:
    """A save of a value, or of each item of a stream; `store` None means the store of the run."""

    key: KeyTemplate
    store: Store | None


@record(eq=True)
class Limits:
    """The bounds of a stream, decided at compile time and printed by `explain`.

    `max_in_flight`: most items between source and sink; None means `per_worker` items for each worker.
    `max_in_flight_bytes`: most bytes of pickled items and results in flight. `max_batch_size`: most items in one
    message. `helper_thread`: whether results and folds go on while the source waits in `next()`.
    """

    max_in_flight: int | None = None
    per_worker: int = 512
    max_in_flight_bytes: int = 64 * MIB
    max_batch_size: int = 512
    helper_thread: bool = True

    def items(self, workers: int) -> int:
        """Return the largest number of items in flight with this number of workers."""
        return self.max_in_flight if self.max_in_flight is not None else self.per_worker * workers

    def batch_items(self, workers: int) -> tuple[int, int]:
        """Return the largest size of a batch with two batches in flight for each worker, and with one.

        One batch is enough where items are cheap; but a single worker needs two, or it and the coordinator wait for
        each other.
        """
        each = self.items(workers) // (2 * workers)
        cheap = each if workers == 1 else 2 * each
        return max(1, min(self.max_batch_size, each)), max(1, min(self.max_batch_size, cheap))


def is_cluster(runtime: object) -> bool:
    """Return whether this is the name of a cluster engine, with or without an address."""
    return isinstance(runtime, str) and runtime.partition("://")[0] in get_args(ClusterName)


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


if not TYPE_CHECKING:
    __getattr__ = renamed(__name__, {"RunOptions": "daglite.run_options.RunOptions"})
