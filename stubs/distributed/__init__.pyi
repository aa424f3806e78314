"""What daglite uses of distributed, whose own annotations leave open what a call gives in each of its modes."""

from asyncio import AbstractEventLoop
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, Literal, TypeVar, overload

T = TypeVar("T")

class KilledWorker(Exception): ...

class Future(Generic[T]):
    status: str
    def __init__(self, key: str, client: Client) -> None: ...
    def done(self) -> bool: ...
    def exception(self, *, asynchronous: Literal[True]) -> Awaitable[BaseException]: ...

class Variable:
    def __init__(self, name: str, client: Client) -> None: ...
    def get(self, timeout: float, *, asynchronous: Literal[True]) -> Awaitable[Any]: ...
    def delete(self) -> None: ...

class _Calls:
    async def update_data(
        self, *, who_has: Mapping[str, list[str]], nbytes: Mapping[str, int], client: str
    ) -> None: ...
    async def variable_set(self, *, name: str, data: object) -> None: ...

class Worker:
    address: str
    loop: _Loop
    scheduler: _Calls
    def update_data(self, data: Mapping[str, object]) -> object: ...

def get_worker() -> Worker: ...

class _Loop:
    asyncio_loop: AbstractEventLoop
    def add_callback(self, callback: Callable[[], object]) -> None: ...

class _Variables:
    variables: Mapping[str, object]

class Scheduler:
    tasks: Mapping[str, object]
    extensions: Mapping[Literal["variables"], _Variables]

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
    id: str
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
