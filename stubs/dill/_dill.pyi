from collections.abc import Callable
from pickle import (
    DEFAULT_PROTOCOL as DEFAULT_PROTOCOL,
    HIGHEST_PROTOCOL as HIGHEST_PROTOCOL,
    PickleError as PickleError,
    PicklingError as PicklingError,
    Unpickler as StockUnpickler,
    UnpicklingError as UnpicklingError,
    _Pickler as StockPickler,
)
from types import ModuleType
from typing import IO, Any, TypeVar

_F = TypeVar("_F", bound=Callable[..., None])

# Read at every dump and load; daglite sets it in a worker, whose own `__main__` is not the user's.
_main_module: ModuleType

class PickleWarning(Warning, PickleError): ...
class PicklingWarning(PickleWarning, PicklingError): ...
class UnpicklingWarning(PickleWarning, UnpicklingError): ...

class Pickler(StockPickler):
    _byref: bool
    _fmode: int
    _main: ModuleType
    _recurse: bool
    _session: bool
    def __init__(
        self,
        file: IO[bytes],
        protocol: int | None = None,
        *,
        fix_imports: bool = True,
        buffer_callback: Callable[[Any], object] | None = None,
        byref: bool | None = None,
        fmode: int | None = None,
        recurse: bool | None = None,
    ) -> None: ...
    def dump(self, obj: Any) -> None: ...
    def save(self, obj: Any, save_persistent_id: bool = True) -> None: ...

class Unpickler(StockUnpickler):
    _ignore: bool
    _main: ModuleType
    def __init__(self, file: IO[bytes], *, ignore: bool | None = None, **kwds: Any) -> None: ...
    def find_class(self, module: str, name: str) -> Any: ...
    def load(self) -> Any: ...

def dump(
    obj: Any,
    file: IO[bytes],
    protocol: int | None = None,
    byref: bool | None = None,
    fmode: int | None = None,
    recurse: bool | None = None,
    **kwds: Any,
) -> None: ...
def dumps(
    obj: Any,
    protocol: int | None = None,
    byref: bool | None = None,
    fmode: int | None = None,
    recurse: bool | None = None,
    **kwds: Any,
) -> bytes: ...
def load(file: IO[bytes], ignore: bool | None = None, **kwds: Any) -> Any: ...
def loads(str: bytes, ignore: bool | None = None, **kwds: Any) -> Any: ...
def register(t: type) -> Callable[[_F], _F]: ...
