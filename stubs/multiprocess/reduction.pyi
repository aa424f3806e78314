from collections.abc import Callable
from typing import Any, Protocol

import dill

# The module lists more names in `__all__`; only these are used here.

HAVE_SEND_HANDLE: bool

class _DupFd(Protocol):
    def detach(self) -> int: ...

class ForkingPickler(dill.Pickler):
    @classmethod
    def register(cls, type: type[Any], reduce: Callable[[Any], object]) -> None: ...
    @classmethod
    def dumps(cls, obj: Any, protocol: int | None = None, *args: Any, **kwds: Any) -> memoryview: ...

def DupFd(fd: int) -> _DupFd: ...
