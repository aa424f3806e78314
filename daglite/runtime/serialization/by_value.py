"""Reduce functions and classes by value: C pickle and dill ask `ByValueReducer` how to pickle each of them.

A function is sent with the globals it reads and no others. On the other side all functions of one module share one
namespace, as in the module itself, and a value that is already there is not replaced: a task may have changed it.
Functions of importable modules use the module itself, and are sent without globals.

A thing is made from its skeleton first and filled with its contents later, which may refer back to it.
"""

from __future__ import annotations

import _thread
import builtins
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

from daglite.annotations import DEFERRED, annotations_of
from daglite.runtime.serialization.batch_format import PROTOCOL
from daglite.runtime.serialization.registry import Registry, Thing, here, known

_READS = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS", "DELETE_GLOBAL"}
_OF_A_FUNCTION = ("__qualname__", "__module__", "__doc__", "__defaults__", "__kwdefaults__", "__type_params__")
# `type` looks at these while it makes a class.
_OF_A_SKELETON = ("__module__", "__slots__", "__orig_bases__")
# These are made with the class, for it alone.
_MADE_WITH_IT = {*_OF_A_SKELETON, "__parameters__", "_abc_impl"}
# Since 3.15 the descriptors of these belong to `object`, not to the class.
_INSTANCE_PARTS = ("__dict__", "__weakref__")
# Types that Python has since 3.15.
_SENTINEL: Any = getattr(builtins, "sentinel", None)
_LAZY_IMPORT: Any = getattr(types, "LazyImportType", None)
_DESCRIPTORS = (types.MemberDescriptorType, types.GetSetDescriptorType)
# A lock among globals guards one process: another gets its own, as if it had imported the module. A lock in an item is
# refused, because it would not be shared.
LOCKS: dict[type, Callable[[], object]] = {
    type(threading.Lock()): _thread.allocate_lock,
    type(threading.RLock()): threading.RLock,
}


class ByValueReducer:
    """Reduce functions, classes and what belongs to them; a mixin of the picklers, by C pickle and by dill."""

    registry: Registry
    token_of: Callable[[Thing], str]

    def reducer_override(self, obj: Any, /) -> Any:
        """Called by the pickler for all but the plainest types, so the common cases come first."""
        kind = type(obj)
        if kind is FunctionType or issubclass(kind, type) or kind is _SENTINEL:
            known_reduction = self.registry.reductions.get(id(obj))
            return self._reduction(obj) if known_reduction is None else known_reduction[1]
        if issubclass(kind, BaseException) and "tblib" in getattr(copyreg.dispatch_table.get(kind), "__module__", ""):
            # tblib comes with distributed, and registers one reduction for all exceptions, which keeps tracebacks and
            # loses attributes. The reduction of the class is used instead.
            return obj.__reduce_ex__(PROTOCOL)
        special = _SPECIAL.get(kind)
        return NotImplemented if special is None else special(self.registry, obj)

    def _reduction(self, thing: Thing) -> Any:
        registry = self.registry
        named = registry.by_name(thing)
        if named is not None:
            if type(thing) is _SENTINEL:
                # dill takes any sentinel for one of `dataclasses`.
                named = thing.__reduce__()
            registry.reductions[id(thing)] = (thing, named)
            return named
        if isinstance(thing, FunctionType) and not _has_token(thing):
            make, parts = skeleton_of(registry, thing)
            return make, parts, state_of(registry, thing), None, None, fill
        return known, (self.token_of(thing),)


def skeleton_of(registry: Registry, thing: Thing) -> tuple[Callable[..., Thing], tuple[object, ...]]:
    """Return a callable and arguments that make the thing without its contents, which may refer back to it."""
    if isinstance(thing, FunctionType):
        return _new_function, (registry.where(thing.__globals__), thing.__code__, thing.__name__, thing.__closure__)
    if type(thing) is _SENTINEL:
        return _new_sentinel, (thing.__name__, thing.__module__, repr(thing))
    seed = {name: vars(thing)[name] for name in _OF_A_SKELETON if name in vars(thing)}
    seed["__qualname__"] = thing.__qualname__
    return _new_class, (type(thing), thing.__name__, thing.__bases__, seed)


def behaviour_of(cls: type) -> tuple[object, ...]:
    """Return the methods and other descriptors of a class, which its instances may need, for example to be hashed."""
    return _contents(cls, behaviour=True), []


def state_of(registry: Registry, thing: Thing) -> tuple[object, ...]:
    """Return the contents, for `fill` on the other side; those of a class without its `behaviour_of`."""
    if not isinstance(thing, FunctionType):
        if type(thing) is _SENTINEL:
            return {}, []
        subclasses = [sub for ref in _get_dump(thing)[0] if (sub := ref())] if isinstance(thing, ABCMeta) else []
        return _contents(thing, behaviour=False), subclasses
    attributes = {name: value for name in _OF_A_FUNCTION if (value := getattr(thing, name, None))}
    if annotations := annotations_of(thing):
        attributes["__annotations__"] = annotations
    # An empty cell is one whose variable has no value yet.
    cells = [(cell, cell.cell_contents) for cell in thing.__closure__ or () if not _is_empty(cell)]
    if ":" not in registry.where(thing.__globals__):
        return attributes, vars(thing), {}, [], cells
    values = {name: _shareable(value) for name, value in globals_read(thing).items()}
    values["__name__"] = thing.__globals__.get("__name__")
    return attributes, vars(thing), values, _submodules(values, thing.__code__), cells


def globals_read(fn: FunctionType) -> dict[str, object]:
    """Return the globals that a function and the functions inside it read."""
    space = fn.__globals__
    values = {name: space[name] for name in sorted(set(_names(fn.__code__, _READS))) if name in space}
    return {name: value.resolve() if type(value) is _LAZY_IMPORT else value for name, value in values.items()}


def fill(thing: Thing, state: tuple[Any, ...]) -> None:
    """Set the contents of a thing that was made from its skeleton."""
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
    # The user's metaclass has run already: what it made is among the contents. Only `abc` keeps a hidden state.
    make = ABCMeta if issubclass(meta, ABCMeta) else type
    above = {id(each): each for base in bases for each in base.__mro__ if "__init_subclass__" in vars(each)}
    with contextlib.ExitStack() as stack:
        for each in above.values():
            # Those of importable modules are called: as a rule they require no arguments.
            if here().token_of(each) is not None:
                stack.enter_context(_hook_disabled(each))
        made: type = make.__new__(meta, name, bases, seed)
    return made


@contextlib.contextmanager
def _hook_disabled(base: Any) -> Iterator[None]:
    """Disable `__init_subclass__`: called again it would register twice, and lack its arguments."""
    hook = vars(base)["__init_subclass__"]
    type.__setattr__(base, "__init_subclass__", classmethod(lambda cls, **_: super(base, cls).__init_subclass__()))
    try:
        yield
    finally:
        type.__setattr__(base, "__init_subclass__", hook)


def _new_member(cls: type, base: type, value: tuple[object, ...]) -> object:
    return base.__new__(cls, *value)


def reduce_member(member: enum.Enum) -> Any:
    """Reduce a member of an enum that is being defined: it cannot be looked up yet, as pickle would do."""
    cls = type(member)
    base: Any = getattr(cls, "_member_type_", object)
    value = base.__getnewargs__(member) if hasattr(base, "__getnewargs__") else ()
    return _new_member, (cls, base, value), vars(member)


def _new_sentinel(name: str, module: str, text: str) -> Any:
    made = _SENTINEL(name, repr=text)
    made.__module__ = module
    return made


def _has_token(function: FunctionType) -> bool:
    """Return whether a function gets a token: one at the top of a module. Others may be made again for every item."""
    return function.__closure__ is None and function.__qualname__.isidentifier()


def _contents(cls: type, *, behaviour: bool) -> dict[str, object]:
    contents: dict[str, object] = {
        name: value
        for name, value in vars(cls).items()
        if name not in _MADE_WITH_IT
        and name not in DEFERRED
        and hasattr(type(value), "__get__") is behaviour
        and not (isinstance(value, _DESCRIPTORS) and (value.__objclass__ is cls or name in _INSTANCE_PARTS))
    }
    if DEFERRED and not behaviour and (annotations := annotations_of(cls)):
        contents["__annotations__"] = annotations
    return contents


def _is_empty(cell: CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return True
    return False


def _names(code: CodeType, operations: set[str] | None = None) -> Iterator[str]:
    """Yield the names that a function and the functions inside it use."""
    if operations is None:
        yield from code.co_names
    else:
        # `co_names` holds attributes as well, and would send globals of the same name.
        yield from (one.argval for one in dis.get_instructions(code) if one.opname in operations)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant, operations)


def _submodules(values: dict[str, object], code: CodeType) -> list[str]:
    """Return the submodules that code reaches through a package: `import xml.etree.ElementTree` binds only `xml`."""
    packages = [f"{module.__name__}." for module in values.values() if isinstance(module, ModuleType)]
    used = set(_names(code)) if packages else set()
    starts = tuple(packages)
    return [name for name in list(sys.modules) if name.startswith(starts) and used.issuperset(name.split(".")[1:])]


class _NewLock:
    """A lock that the other side makes for itself."""

    def __init__(self, make: Callable[[], object]) -> None:
        self._make = make

    def __reduce__(self) -> tuple[Callable[[], object], tuple[()]]:
        return self._make, ()


def _shareable(value: object) -> object:
    make = LOCKS.get(type(value))
    return value if make is None else _NewLock(make)


def _new_cell() -> CellType:
    return CellType()


def _reduce_module(registry: Registry, module: ModuleType) -> Any:
    if not registry.importable(module.__name__):
        raise TypeError(f"module '{module.__name__}' cannot be imported by a worker")
    return import_module, (module.__name__,)


def _by_name_or(reduce: Callable[[Any], Any]) -> Callable[[Registry, Any], Any]:
    """Return a reduction by name where that is possible, else by `reduce`."""

    def reduced(registry: Registry, obj: Any) -> Any:
        named = registry.by_name(obj)
        return reduce(obj) if named is None else named

    return reduced


def _new_cache(limits: dict[str, Any], function: Callable[..., object]) -> object:
    return functools.lru_cache(**limits)(function)


def _reduce_cached_property(_: Registry, descriptor: functools.cached_property[object]) -> Any:
    # On 3.11 it holds a lock.
    state = {name: value for name, value in vars(descriptor).items() if name != "lock"}
    return functools.cached_property, (descriptor.func,), state


def _new_variable(kind: type, name: str, constraints: tuple[object, ...], options: dict[str, object]) -> object:
    return kind(name, *constraints, **options)


def _reduce_variable(variable: Any) -> Any:
    kind, options = type(variable), dict[str, object]()
    if kind is not TypeVarTuple:
        known = ("bound", "covariant", "contravariant", "infer_variance")
        options = {option: value for option in known if (value := getattr(variable, f"__{option}__", None))}
    if getattr(variable, "has_default", bool)():
        options["default"] = variable.__default__
    return _new_variable, (kind, variable.__name__, getattr(variable, "__constraints__", ()), options)


_SPECIAL: dict[type, Callable[[Registry, Any], Any]] = {
    # Both sides have the same interpreter, so its own format can be used.
    CodeType: lambda _, code: (marshal.loads, (marshal.dumps(code),)),
    # Empty: its function fills it, because the contents may refer back to that function.
    CellType: lambda _, cell: (_new_cell, ()),
    ModuleType: _reduce_module,
    functools._lru_cache_wrapper: _by_name_or(
        lambda cache: (_new_cache, (cache.cache_parameters(), cache.__wrapped__))
    ),
    functools.cached_property: _reduce_cached_property,
    NewType: _by_name_or(lambda new: (NewType, (new.__name__, new.__supertype__))),
    **dict.fromkeys((TypeVar, ParamSpec, TypeVarTuple), _by_name_or(_reduce_variable)),
}
if sys.version_info >= (3, 12):
    # The values of aliases that are being loaded, by the id of the alias.
    _VALUES: dict[int, list[object]] = {}

    def _new_alias(name: str, module: str) -> object:
        # Only the statement makes an alias whose value is looked up later, and so may refer to the alias.
        value: list[object] = []
        space: dict[str, Any] = {"__name__": module, "__value": value}
        exec(f"type {name} = __value[0]", space)
        alias = space[name]
        _VALUES[id(alias)] = value
        return alias

    def _set_value(alias: object, value: object) -> None:
        _VALUES.pop(id(alias)).append(value)

    def _reduce_alias(alias: typing.TypeAliasType) -> Any:
        if alias.__type_params__ or not alias.__name__.isidentifier():
            return _new_eager_alias, (alias.__name__, alias.__value__, alias.__type_params__)
        return _new_alias, (alias.__name__, alias.__module__), alias.__value__, None, None, _set_value

    def _new_eager_alias(name: str, value: object, parameters: tuple[Any, ...]) -> object:
        return typing.TypeAliasType(name, value, type_params=parameters)

    _SPECIAL[typing.TypeAliasType] = _by_name_or(_reduce_alias)
if sys.version_info >= (3, 14):

    def _reduce_reference(reference: typing.ForwardRef) -> Any:
        # It holds the namespace in which it would be evaluated: all globals of the script.
        text = getattr(reference, "__resolved_str__", reference.__forward_arg__)
        return _new_reference, (text, reference.__forward_is_argument__, reference.__forward_is_class__)

    def _new_reference(text: str, is_argument: bool, is_class: bool) -> typing.ForwardRef:
        return typing.ForwardRef(text, is_argument=is_argument, is_class=is_class)

    _SPECIAL[typing.ForwardRef] = lambda _, reference: _reduce_reference(reference)
