"""Modules that load when they are first used: `import daglite` stays cheap. The only place where loading waits."""

from __future__ import annotations

import importlib
from types import ModuleType


class _Lazy(ModuleType):
    """Stands for a module; asking it for an attribute imports it."""

    def __getattr__(self, name: str) -> object:
        found: object = getattr(importlib.import_module(self.__name__), name)
        return found


def lazy(name: str) -> ModuleType:
    """The module `name`, imported when something of it is first used.

    Type checkers cannot see through it; import the module under `TYPE_CHECKING` beside it.

    >>> lazy("math").sqrt(9.0)
    3.0
    """
    return _Lazy(name)
