"""Values split into parts: containers, functions, classes, and objects by the parts that pickle would write."""

from __future__ import annotations

import copyreg
import dataclasses
import enum
import functools
import sys
import types
from collections.abc import Callable, Iterable
from typing import Any, ForwardRef

from daglite.annotations import DEFERRED
from daglite.functions import Function
from daglite.records import field_names
from daglite.retry import Retry
from daglite.tokens.code import local_name, split_code, split_function
from daglite.tokens.parts import UnstableValue, ValuePart, pack, raised, type_name

# Attributes of a class that depend on its place, belong to the interpreter, or are no behaviour. The docstring of a
# dataclass has the `repr` of defaults.
_IGNORED = {"__module__", "__qualname__", "__doc__", "__dict__", "__weakref__", "__annotations__", "_abc_impl"}
_IGNORED |= {"__orig_bases__", "__parameters__"}  # for type checkers; dill loses them
_IGNORED |= {"__slotnames__"}  # noted by the first pickling of an instance, and by `_reduced` here
_IGNORED |= {"__firstlineno__", "__static_attributes__"}  # since 3.13
_IGNORED |= DEFERRED  # since 3.14
_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE


def split(value: object) -> ValuePart:
    """Split `value` into a label and parts; raise `UnstableValue` with the end of a sentence ("a 'lock', which …")."""
    kind = type(value)
    if kind in _SPLITTERS:
        return _SPLITTERS[kind](value)
    if hasattr(kind, "__daglite_token__"):
        return _hooked(value)
    if isinstance(value, type):
        return _class(value)
    if isinstance(value, types.ModuleType):
        return ValuePart(pack("module", value.__name__))
    if isinstance(value, enum.Enum):
        return ValuePart(pack("enum"), (kind, value._name_, value._value_), ("", "name", f"value of '{value._name_}'"))
    if (function := _function_of(value)) is not None:
        return _task(function)
    if dataclasses.is_dataclass(value) and all(map(_in_python, kind.__mro__[:-1])):
        return _dataclass(value)
    if isinstance(value, (set, frozenset)):
        # Its `__reduce__` would list the items in the order of their hashes.
        return ValuePart(pack("set"), (kind, frozenset(value), getattr(value, "__dict__", None)), ("", "", ""))
    return _reduced(value)


def _task(function: Function) -> ValuePart:
    label = pack("task", function.name, function.kind, *_options(function), function.result)
    # Only where given, so that tasks without these options keep their tokens.
    more: list[tuple[str, object]] = []
    if function.retry is not None:
        more.append(("`retries`", tuple([getattr(function.retry, name) for name in field_names(Retry)])))
    if function.on_error != "raise":
        more.append(("`on_error`", function.on_error))
    places, values = ["", *(place for place, _ in more)], [function.fn, *(value for _, value in more)]
    return ValuePart(label, tuple(values), tuple(places), noun=f"task '{function.name}'")


def _options(function: Function) -> tuple[str, ...]:
    return str(function.retries), str(function.timeout), str(function.retry_on_crash)


def _function_of(value: object) -> Function | None:
    """Return the record of a task object, by which tasks are recognised: to import them here would be a circle."""
    try:
        found: object = getattr(value, "function", None)
    except Exception:  # from a `__getattr__` of the user's: not a task
        return None
    return found if isinstance(found, Function) else None


def _hooked(value: Any) -> ValuePart:
    try:
        answer: object = value.__daglite_token__()
    except UnstableValue as error:
        raise UnstableValue(f"a '{type_name(type(value))}' that says: {error}") from error
    except Exception as error:
        raise UnstableValue(f"a '{type_name(type(value))}' whose `__daglite_token__` {raised(error)}") from error
    return ValuePart(pack("hook"), (type(value), answer), ("", ""))


def _dataclass(value: Any) -> ValuePart:
    # A field without a value (`init=False`, not set yet) is left out rather than guessed.
    names = [field.name for field in dataclasses.fields(value) if hasattr(value, field.name)]
    places = ["", *(f"field '{name}'" for name in names)]
    return ValuePart(pack("dataclass", *names), (type(value), *(getattr(value, name) for name in names)), places)


def _class(cls: type) -> ValuePart:
    """Split a class: into its name where every process can import it, else into its bases and attributes."""
    name = local_name(cls.__qualname__)
    if not _in_python(cls) or _importable(cls):
        return ValuePart(pack("class", cls.__module__, cls.__qualname__))
    attributes = {key: value for key, value in vars(cls).items() if key not in _IGNORED}
    if issubclass(cls, enum.Enum):
        # The storage of members differs between Python versions, and changes with lookups.
        members = {key: member._value_ for key, member in cls._member_map_.items()}
        private = {key for key in attributes if key.startswith("_") and not key.startswith("__")}
        attributes = {key: value for key, value in attributes.items() if key not in private | members.keys()} | members
    bases = [f"base class {base.__qualname__}" for base in cls.__bases__]
    children = (type(cls), *cls.__bases__, attributes)
    return ValuePart(pack("class here", name, len(bases)), children, ("", *bases, ""), noun=f"class '{name}'")


def _in_python(cls: type) -> bool:
    """Return whether a class is written in Python, so that it has contents."""
    return bool(cls.__flags__ & _HEAP_TYPE)


def _importable(cls: type) -> bool:
    if cls.__module__ == "__main__":  # another script in another process
        return False
    found: object = sys.modules.get(cls.__module__)
    for name in cls.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is cls


def _reduced(value: Any) -> ValuePart:
    """Split an object as pickle would. Protocol 4 is the first that keeps all of a `datetime`."""
    kind = type(value)
    if kind is object:
        raise UnstableValue("a bare 'object', which is known by its identity only")
    reduce = copyreg.dispatch_table.get(kind)
    try:
        found: Any = reduce(value) if reduce else value.__reduce_ex__(4)
        if isinstance(found, str):
            return _global(value, found)
        fields: tuple[Any, ...] = tuple(found)
        call, arguments, state, items, pairs, setter = fields + (None,) * (6 - len(fields))
        children = (kind, call, arguments, state, _listed(items), _paired(kind, pairs), setter)
    except Exception as error:
        raise UnstableValue(f"a '{type_name(kind)}', which has no stable token") from error
    return ValuePart(pack("object"), children, ("",) * len(children))


def _global(value: object, name: str) -> ValuePart:
    """Split a value that pickle finds by its name into what it wraps, such as one of `functools.cache`."""
    module = getattr(value, "__module__", None)
    label = pack("global", module if isinstance(module, str) else "", name)
    return ValuePart(label, (type(value), getattr(value, "__wrapped__", None)), ("", ""))


def _listed(items: Iterable[object] | None) -> list[object] | None:
    return None if items is None else list(items)


def _paired(kind: type, pairs: Iterable[tuple[object, object]] | None) -> object:
    """Return the entries of a mapping: a dict where `kind` compares like one, else in order, as for `OrderedDict`."""
    if pairs is None:
        return None
    return dict(pairs) if vars(dict)["__eq__"] is kind.__eq__ else list(pairs)


def _dict(value: dict[object, object]) -> ValuePart:
    return ValuePart(pack("dict"), [part for pair in value.items() for part in pair], unordered=2)


def _partial(value: functools.partial[object]) -> ValuePart:
    return ValuePart(
        pack("partial"), (value.func, value.args, value.keywords, vars(value)), ("", "arguments", "keywords", "")
    )


def _descriptor(value: Any) -> ValuePart:
    """Split a slot, or an attribute of a class written in C: a name in a class."""
    return ValuePart(pack(type(value).__name__, value.__name__), (value.__objclass__,), ("",))


def _simple(name: str, *attributes: str) -> Callable[[Any], ValuePart]:
    """Return a function that splits a value into these attributes."""
    return lambda value: ValuePart(pack(name), [getattr(value, key) for key in attributes], [""] * len(attributes))


# By exact type, as for leaves.
_SPLITTERS: dict[type, Callable[[Any], ValuePart]] = {
    tuple: lambda value: ValuePart(pack("tuple"), value),
    list: lambda value: ValuePart(pack("list"), tuple(value)),
    set: lambda value: ValuePart(pack("set"), tuple(value), unordered=1),
    frozenset: lambda value: ValuePart(pack("frozenset"), tuple(value), unordered=1),
    dict: _dict,
    types.MappingProxyType: lambda value: ValuePart(pack("mappingproxy"), (dict(value),), ("",)),
    Function: _task,
    types.FunctionType: split_function,
    types.CodeType: split_code,
    types.MethodType: _simple("method", "__func__", "__self__"),
    functools.partial: _partial,
    functools.cached_property: _simple("cached_property", "func", "attrname"),
    property: _simple("property", "fget", "fset", "fdel"),
    classmethod: _simple("classmethod", "__func__"),
    staticmethod: _simple("staticmethod", "__func__"),
    types.GetSetDescriptorType: _descriptor,
    types.MemberDescriptorType: _descriptor,
    types.ClassMethodDescriptorType: _descriptor,
    ForwardRef: _simple("ForwardRef", "__forward_arg__"),
}
