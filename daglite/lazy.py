"""Module attributes that are looked up late: modules that load at their first use, and names that were renamed."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import NoReturn


class _LazyModule(ModuleType):
    """A stand-in for a module, which imports the module when an attribute is read."""

    def __getattr__(self, name: str) -> object:
        found: object = getattr(importlib.import_module(self.__name__), name)
        return found


def lazy(name: str) -> ModuleType:
    """Return the module `name`, which is imported at its first use, so that `import daglite` stays cheap.

    Type checkers cannot follow it: import the module under `TYPE_CHECKING` as well.

    >>> lazy("math").sqrt(9.0)
    3.0
    """
    return _LazyModule(name)


def renamed(module: str, names: Mapping[str, str]) -> Callable[[str], NoReturn]:
    """Return a `__getattr__` for `module`, whose errors give the new name of what was renamed.

    `names` maps former names to present ones; for them it raises `ImportError`, as `from module import name` would
    replace an `AttributeError` by one without the new name. Assign the result outside `TYPE_CHECKING`: a type checker
    would take a module with a `__getattr__` for one that has every name.

    >>> renamed("shop", {"Cart": "Basket"})("Cart")
    Traceback (most recent call last):
    ImportError: module 'shop' has no 'Cart'; it is now called 'Basket'
    """

    def missing(name: str) -> NoReturn:
        if name in names:
            raise ImportError(f"module {module!r} has no {name!r}; it is now called {names[name]!r}")
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return missing
