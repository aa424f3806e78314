"""Functions and classes, taken apart for their journey and put together again.

A function that goes by value takes along the globals it reads and no others. On the other side all functions of one
module share one namespace, as they do at home, and a value that is already there stays: a task may have changed it.
Functions of importable modules use the real module, and take nothing along.

A thing is made from its skeleton first and filled with its contents later, which may lead back to it.
"""

from __future__ import annotations

import _thread
import contextlib
import copyreg
import dis
import enum
import functools
import marshal
import sys
import threading
import types
import typing
from abc import ABCMeta, _get_dump  # type: ignore[attr-defined]
from collections.abc import Callable, Iterator
from importlib import import_module
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any, NewType, ParamSpec, TypeVar, TypeVarTuple

from daglite.runtime.serialization.batch_format import PROTOCOL
from daglite.runtime.serialization.registry import Registry, Thing, here, known

_READS = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS", "DELETE_GLOBAL"}
_OF_A_FUNCTION = ("__qualname__", "__module__", "__doc__", "__defaults__", "__kwdefaults__", "__annotations__")
# `type` looks at these while it makes a class.
_OF_A_SKELETON = ("__module__", "__slots__", "__orig_bases__")
# These come into being with the class, and belong to it alone.
_MADE_WITH_IT = {*_OF_A_SKELETON, "__parameters__", "_abc_impl"}
_DESCRIPTORS = (types.MemberDescriptorType, types.GetSetDescriptorType)
# A lock that belongs to code guards this process: another gets its own, as if it had imported the module. A lock in an
# item is refused, because who sends it wants to share it.
LOCKS: dict[type, Callable[[], object]] = {
    type(threading.Lock()): _thread.allocate_lock,
    type(threading.RLock()): threading.RLock,
}


class ByValueReducer:
    """What a pickler must be told about functions and classes; mixed into the quick one and the thorough one."""

    registry: Registry
    token_of: Callable[[Thing], str]

    def reducer_override(self, obj: Any, /) -> Any:
        """Asked by the pickler for everything but the plainest types, so the common answers come first."""
        kind = type(obj)
        if kind is FunctionType or issubclass(kind, type):
            pipeline = self.registry.routes.get(id(obj))
            return self._pipeline(obj) if pipeline is None else pipeline[1]
        if issubclass(kind, BaseException) and "tblib" in getattr(copyreg.dispatch_table.get(kind), "__module__", ""):
            # It comes with distributed, and registers one way for all exceptions there are, which brings tracebacks
            # along and loses attributes; the class knows better.
            return obj.__reduce_ex__(PROTOCOL)
        special = _SPECIAL.get(kind)
        return NotImplemented if special is None else special(self.registry, obj)

    def _pipeline(self, thing: Thing) -> Any:
        registry = self.registry
        named = registry.by_name(thing)
        if named is not None:
            registry.routes[id(thing)] = (thing, named)
            return named
        if isinstance(thing, FunctionType) and not _has_token(thing):
            make, parts = skeleton_of(registry, thing)
            return make, parts, state_of(registry, thing), None, None, fill
        return known, (self.token_of(thing),)


def skeleton_of(registry: Registry, thing: Thing) -> tuple[Callable[..., Thing], tuple[object, ...]]:
    """What makes the thing without its contents, which may lead back to it: a callable and its arguments."""
    if isinstance(thing, FunctionType):
        return _new_function, (registry.where(thing.__globals__), thing.__code__, thing.__name__, thing.__closure__)
    seed = {name: vars(thing)[name] for name in _OF_A_SKELETON if name in vars(thing)}
    seed["__qualname__"] = thing.__qualname__
    return _new_class, (type(thing), thing.__name__, thing.__bases__, seed)


def behaviour_of(cls: type) -> tuple[object, ...]:
    """The methods and other descriptors of a class: instances among the contents may need them, to be hashed say."""
    return _contents(cls, behaviour=True), []


def state_of(registry: Registry, thing: Thing) -> tuple[object, ...]:
    """The contents, for `fill` on the other side; those of a class without its `behaviour_of`."""
    if not isinstance(thing, FunctionType):
        subclasses = [sub for ref in _get_dump(thing)[0] if (sub := ref())] if isinstance(thing, ABCMeta) else []
        return _contents(thing, behaviour=False), subclasses
    attributes = {name: value for name in _OF_A_FUNCTION if (value := getattr(thing, name, None))}
    # An empty cell is one whose variable has no value yet.
    cells = [(cell, cell.cell_contents) for cell in thing.__closure__ or () if not _is_empty(cell)]
    if ":" not in registry.where(thing.__globals__):
        return attributes, vars(thing), {}, [], cells
    values = {name: _anew(value) for name, value in globals_read(thing).items()}
    values["__name__"] = thing.__globals__.get("__name__")
    return attributes, vars(thing), values, _submodules(values, thing.__code__), cells


def globals_read(fn: FunctionType) -> dict[str, object]:
    """The globals that a function reads, those of the functions within it included."""
    space = fn.__globals__
    return {name: space[name] for name in sorted(set(_names(fn.__code__, _READS))) if name in space}


def fill(thing: Thing, state: tuple[Any, ...]) -> None:
    """Give a thing that was made from its skeleton its contents."""
    if not isinstance(thing, FunctionType):
        attributes, subclasses = state
        for name, value in attributes.items():
            # Not `setattr`: a metaclass may forbid it, as that of enums does.
            type.__setattr__(thing, name, value)
        for subclass in subclasses:
            ABCMeta.register(thing, subclass)  # type: ignore[arg-type]
        return
    attributes, own, values, modules, cells = state
    for module in modules:
        import_module(module)
    for cell, value in cells:
        cell.cell_contents = value
    for name, value in attributes.items():
        setattr(thing, name, value)
    vars(thing).update(own)
    here().add_globals(thing.__globals__, values)


def _new_function(where: str, code: CodeType, name: str, closure: tuple[CellType, ...] | None) -> FunctionType:
    return FunctionType(code, here().space(where), name, None, closure)


def _new_class(meta: type, name: str, bases: tuple[type, ...], seed: dict[str, object]) -> type:
    # The user's metaclass has done its work: what it made is among the contents. Only `abc` keeps some out of sight.
    make = ABCMeta if issubclass(meta, ABCMeta) else type
    above = {id(each): each for base in bases for each in base.__mro__ if "__init_subclass__" in vars(each)}
    with contextlib.ExitStack() as stack:
        for each in above.values():
            # Those of importable modules belong to all, and ask for no arguments of their own as a rule.
            if here().token_of(each) is not None:
                stack.enter_context(_hook_at_rest(each))
        made: type = make.__new__(meta, name, bases, seed)
    return made


@contextlib.contextmanager
def _hook_at_rest(base: Any) -> Iterator[None]:
    """The same with `__init_subclass__`: run again it would register twice, and lack its arguments."""
    hook = vars(base)["__init_subclass__"]
    type.__setattr__(base, "__init_subclass__", classmethod(lambda cls, **_: super(base, cls).__init_subclass__()))
    try:
        yield
    finally:
        type.__setattr__(base, "__init_subclass__", hook)


def _new_member(cls: type, base: type, value: tuple[object, ...]) -> object:
    return base.__new__(cls, *value)


def reduce_member(member: enum.Enum) -> Any:
    """A member of an enum that is itself under way: looking it up, as pickle does, would come too early."""
    cls = type(member)
    base: Any = getattr(cls, "_member_type_", object)
    value = base.__getnewargs__(member) if hasattr(base, "__getnewargs__") else ()
    return _new_member, (cls, base, value), vars(member)


def _has_token(function: FunctionType) -> bool:
    """Functions written once at the top of a module; the others may be made anew for every item."""
    return function.__closure__ is None and function.__qualname__.isidentifier()


def _contents(cls: type, *, behaviour: bool) -> dict[str, object]:
    return {
        name: value
        for name, value in vars(cls).items()
        if name not in _MADE_WITH_IT
        and hasattr(type(value), "__get__") is behaviour
        and not (isinstance(value, _DESCRIPTORS) and value.__objclass__ is cls)
    }


def _is_empty(cell: CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return True
    return False


def _names(code: CodeType, operations: set[str] | None = None) -> Iterator[str]:
    """The names a function uses, those of the functions within it included."""
    if operations is None:
        yield from code.co_names
    else:
        # `co_names` alone would take attributes for globals, and drag along what merely has the same name.
        yield from (one.argval for one in dis.get_instructions(code) if one.opname in operations)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant, operations)


def _submodules(values: dict[str, object], code: CodeType) -> list[str]:
    """The submodules that the code reaches through a package: `import xml.etree.ElementTree` binds `xml` only."""
    packages = [f"{module.__name__}." for module in values.values() if isinstance(module, ModuleType)]
    used = set(_names(code)) if packages else set()
    starts = tuple(packages)
    return [name for name in list(sys.modules) if name.startswith(starts) and used.issuperset(name.split(".")[1:])]


class _Rebuilt:
    """A value that the other side makes for itself."""

    def __init__(self, make: Callable[[], object]) -> None:
        self._make = make

    def __reduce__(self) -> tuple[Callable[[], object], tuple[()]]:
        return self._make, ()


def _anew(value: object) -> object:
    make = LOCKS.get(type(value))
    return value if make is None else _Rebuilt(make)


def _new_cell() -> CellType:
    return CellType()


def _reduce_module(registry: Registry, module: ModuleType) -> Any:
    if not registry.importable(module.__name__):
        raise TypeError(f"module '{module.__name__}' cannot be imported by a worker")
    return import_module, (module.__name__,)


def _new_cache(limits: dict[str, Any], function: Callable[..., object]) -> object:
    return functools.lru_cache(**limits)(function)


def _reduce_cache(registry: Registry, cache: Any) -> Any:
    # By itself it goes by name, whatever module that is.
    named = registry.by_name(cache)
    return (_new_cache, (cache.cache_parameters(), cache.__wrapped__)) if named is None else named


def _reduce_cached_property(_: Registry, descriptor: functools.cached_property[object]) -> Any:
    # On 3.11 it holds a lock.
    state = {name: value for name, value in vars(descriptor).items() if name != "lock"}
    return functools.cached_property, (descriptor.func,), state


def _new_variable(kind: type, name: str, constraints: tuple[object, ...], options: dict[str, object]) -> object:
    return kind(name, *constraints, **options)


def _reduce_variable(registry: Registry, variable: Any) -> Any:
    named = registry.by_name(variable)
    if named is not None:
        return named
    kind, options = type(variable), dict[str, object]()
    if kind is not TypeVarTuple:
        known = ("bound", "covariant", "contravariant", "infer_variance")
        options = {option: value for option in known if (value := getattr(variable, f"__{option}__", None))}
    if getattr(variable, "has_default", bool)():
        options["default"] = variable.__default__
    return _new_variable, (kind, variable.__name__, getattr(variable, "__constraints__", ()), options)


def _reduce_new_type(registry: Registry, new: Any) -> Any:
    named = registry.by_name(new)
    return (NewType, (new.__name__, new.__supertype__)) if named is None else named


def _reduce_alias(registry: Registry, alias: Any) -> Any:
    named = registry.by_name(alias)
    return (type(alias), (alias.__name__, alias.__value__)) if named is None else named


_SPECIAL: dict[type, Callable[[Registry, Any], Any]] = {
    # Same interpreter on both sides, so the interpreter's own format will do.
    CodeType: lambda _, code: (marshal.loads, (marshal.dumps(code),)),
    # Empty: the function it belongs to fills it, because what is in it may lead back to that function.
    CellType: lambda _, cell: (_new_cell, ()),
    ModuleType: _reduce_module,
    functools._lru_cache_wrapper: _reduce_cache,
    functools.cached_property: _reduce_cached_property,
    TypeVar: _reduce_variable,
    ParamSpec: _reduce_variable,
    TypeVarTuple: _reduce_variable,
    NewType: _reduce_new_type,
}
if sys.version_info >= (3, 12):
    _SPECIAL[typing.TypeAliasType] = _reduce_alias
