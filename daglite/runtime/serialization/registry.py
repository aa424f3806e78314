"""Decide how a function or class is sent, and look up what a token means. Pickles call it when they are loaded.

of a module that workers can import       by name; a name that holds a task means the task's function
other classes, other plain functions      by token; the body is sent once (see `definitions`)
lambdas, local functions, closures        by value, each time (see `by_value`)
"""

from __future__ import annotations

import builtins
import itertools
import os
import sys
import threading
import types
from importlib import import_module
from types import FunctionType
from typing import Any, TypeAlias

Thing: TypeAlias = type | FunctionType

_HEAP_TYPE = 1 << 9
# Every process that unpickles has this package: the disk need not be searched for it.
_OURS = __name__.partition(".")[0]
# The interpreter's own types name `builtins` as their module, where most of them cannot be found.
_IN_TYPES = {id(found): name for name, found in vars(types).items() if isinstance(found, type)}


class Registry:
    """The classes and functions that one endpoint knows by token, for one run."""

    def __init__(self, owner: str) -> None:
        self.things: dict[str, Thing] = {}
        self.broken: dict[str, str] = {}
        # How each thing is pickled, by its id. The thing is kept, so that no other object can get its id.
        self.reductions: dict[int, tuple[Thing, Any]] = {}
        self._tokens = map(f"{owner}:{{}}".format, itertools.count())
        # Namespaces of modules that workers cannot import. The local ones are the user's own, the others were made for
        # functions of other endpoints.
        self._spaces: dict[str, dict[str, object]] = {}
        self._space_tokens: dict[int, str] = {}
        self._local: set[str] = set()
        self._importable: dict[str, bool] = {}

    def token(self) -> str:
        """Return a new token, unique among all endpoints."""
        return next(self._tokens)

    def publish(self, token: str, thing: Thing) -> None:
        """Pickle and load `thing` by its token from now on."""
        self.things[token] = thing
        self.reductions[id(thing)] = (thing, (known, (token,)))

    def withdraw(self, token: str, reason: str) -> None:
        """Forget what could not be built; `known` then raises with the `reason`."""
        thing = self.things.pop(token, None)
        self.reductions.pop(id(thing), None)
        self.broken[token] = reason

    def token_of(self, thing: Thing) -> str | None:
        """Return the token of a published thing; None for others, also for those that are pickled by name."""
        _, reduced = self.reductions.get(id(thing), (None, None))
        return str(reduced[1][0]) if isinstance(reduced, tuple) and reduced[0] is known else None

    def known(self, token: str) -> Thing:
        """Return the class or function of a token; raises `LookupError` with the reason why there is none."""
        thing = self.things.get(token)
        if thing is None:
            raise LookupError(self.broken.get(token, f"no definition of '{token}' has arrived"))
        return thing

    def by_name(self, thing: Any) -> Any:
        """Return how a thing that workers can import is pickled; None for all others.

        The thing may be anything with a module and a qualified name.
        """
        module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
        name = name or getattr(thing, "__name__", None)
        if isinstance(module, str) and isinstance(name, str) and self.importable(module):
            found = _find(sys.modules.get(module), name)
            if found is thing:
                return NotImplemented
            # `@task` leaves the function unchanged and takes its name: the task is found there.
            if getattr(found, "fn", None) is thing:
                return _task_fn, (module, name)
        if isinstance(thing, type) and not thing.__flags__ & _HEAP_TYPE:
            place = _IN_TYPES.get(id(thing))
            return NotImplemented if place is None else (getattr, (types, place))
        return None

    def importable(self, module: str) -> bool:
        """Return whether workers can import the module of that name and get the same one."""
        found = self._importable.get(module)
        if found is None:
            # The first time this searches the disk.
            found = self._importable[module] = _importable(module)
        return found

    def where(self, space: dict[str, Any]) -> str:
        """Return the name of the importable module with these globals, else a token for them."""
        name = space.get("__name__")
        module = sys.modules.get(name) if isinstance(name, str) else None
        if isinstance(name, str) and getattr(module, "__dict__", None) is space and self.importable(name):
            return name
        token = self._space_tokens.get(id(space))
        if token is None:
            token = self._space_tokens[id(space)] = self.token()
            self._spaces[token] = space
            self._local.add(token)
        return token

    def space(self, where: str) -> dict[str, object]:
        """Return the globals for the result of `where`, of this endpoint or another."""
        # A token has a colon, a module name has none.
        if ":" not in where:
            return vars(import_module(where))
        space = self._spaces.get(where)
        if space is None:
            space = self._spaces[where] = {"__builtins__": builtins}
            self._space_tokens[id(space)] = where
        return space

    def add_globals(self, space: dict[str, object], values: dict[str, object]) -> None:
        """Add the values that a namespace lacks; the user's own modules are not changed."""
        if self._space_tokens.get(id(space)) not in self._local:
            for name, value in values.items():
                space.setdefault(name, value)


class _ActiveRegistry(threading.local):
    registry: Registry


_here = _ActiveRegistry()


def here() -> Registry:
    """Return the registry that is `active` in this thread."""
    return _here.registry


class active:
    """Look up tokens in a registry while loading. It is reentrant: user code that loads may start a run of its own."""

    __slots__ = ("_before", "_registry")

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def __enter__(self) -> None:
        self._before = getattr(_here, "registry", None)
        _here.registry = self._registry

    def __exit__(self, *_: object) -> None:
        if self._before is None:
            del _here.registry
        else:
            _here.registry = self._before


def known(token: str) -> Thing:
    """Return the class or function of a token; pickles call it."""
    return _here.registry.known(token)


def _task_fn(module: str, name: str) -> object:
    return _find(import_module(module), name).fn


def _find(found: Any, name: str) -> Any:
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def _importable(name: str) -> bool:
    """Return whether a new process with our `sys.path` finds this module: test runners make up names for some."""
    top = name.partition(".")[0]
    if top == _OURS:
        return name in sys.modules
    module = sys.modules.get(top)
    # Inside its package a module may be made at run time; an import of the package makes it too.
    if module is None or name not in sys.modules or top in ("__main__", "__mp_main__"):
        return False
    for finder in sys.meta_path:
        spec = finder.find_spec(top, None)
        if spec is None:
            continue
        if spec.has_location:
            return _same_file(spec.origin, getattr(module, "__file__", None))
        # A namespace package is its folders; what is built in or frozen has neither.
        folders = spec.submodule_search_locations
        return (
            folders is None or spec.origin is not None or not set(folders).isdisjoint(getattr(module, "__path__", ()))
        )
    return False


def _same_file(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and os.path.realpath(one) == os.path.realpath(other)
