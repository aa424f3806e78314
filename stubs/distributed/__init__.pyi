"""What daglite uses of distributed, whose own annotations leave open what a call gives in each of its modes."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, Literal, TypeVar, overload

T = TypeVar("T")

class KilledWorker(Exception): ...

class Future(Generic[T]):
    status: str
    def done(self) -> bool: ...
    def exception(self, *, asynchronous: Literal[True]) -> Awaitable[BaseException]: ...

class _Loop:
    def add_callback(self, callback: Callable[[], object]) -> None: ...

class Scheduler:
    tasks: Mapping[str, object]

class _Scheduler:
    address: str

class LocalCluster:
    def __init__(
        self,
        *,
        n_workers: int,
        threads_per_worker: int,
        host: str,
        dashboard_address: str | None,
        scheduler_kwargs: Mapping[str, object],
    ) -> None: ...
    def close(self) -> None: ...

def default_client() -> Client: ...

class Client:
    status: str
    loop: _Loop
    scheduler: _Scheduler
    def __init__(self, address: str | LocalCluster, *, set_as_default: bool = True) -> None: ...
    def __enter__(self) -> Client: ...
    def __exit__(self, *args: object) -> None: ...
    def close(self) -> None: ...
    def wait_for_workers(self, n_workers: int, timeout: float | None = None) -> None: ...
    @overload
    def nthreads(self) -> Mapping[str, int]: ...
    @overload
    def nthreads(self, *, asynchronous: Literal[True]) -> Awaitable[Mapping[str, int]]: ...
    def run_on_scheduler(self, function: Callable[..., T]) -> T: ...
    def processing(self) -> Mapping[str, Sequence[str]]: ...
    def run(
        self, function: Callable[..., object], *args: object, workers: Sequence[str] | None = None, on_error: str = ...
    ) -> dict[str, object]: ...
    def subscribe_topic(self, topic: str, handler: Callable[[tuple[float, Any]], object]) -> None: ...
    def unsubscribe_topic(self, topic: str) -> None: ...
    def submit(
        self,
        func: Callable[..., T],
        *args: object,
        key: str,
        workers: Sequence[str] | None = None,
        pure: bool = True,
        retries: int | None = None,
    ) -> Future[T]: ...
    def gather(
        self, futures: Sequence[Future[T]], *, errors: str = "raise", asynchronous: Literal[True]
    ) -> Awaitable[list[T]]: ...
    def scatter(
        self,
        data: Mapping[str, T],
        *,
        workers: Sequence[str],
        direct: bool,
        hash: bool,
        asynchronous: Literal[True],
    ) -> Awaitable[dict[str, Future[T]]]: ...
    def cancel(
        self, futures: Iterable[Future[Any]], *, asynchronous: Literal[True], force: bool = False
    ) -> Awaitable[None]: ...
