"""Texts of the command line as values of annotated types; containers are written as JSON."""

from __future__ import annotations

import collections.abc as abc
import contextlib
import datetime
import decimal
import enum
import fractions
import inspect
import json
import pathlib
import types
import typing
import uuid
from collections.abc import Callable, Iterable


class UsageError(Exception):
    """The arguments of the command line are wrong; the message says what is allowed."""


class _InvalidValue(Exception):
    """A value does not fit a type; the message says which values do."""


_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_NOTHING = ("none", "null")

# Types that are constructed from a text, each with its constructor and a description of the text.
_CONSTRUCTORS: dict[object, tuple[Callable[[str], object], str]] = {
    int: (int, "a whole number"),
    float: (float, "a number"),
    complex: (complex, "a complex number"),
    bytes: (str.encode, "a text"),
    pathlib.Path: (pathlib.Path, "a path"),
    decimal.Decimal: (decimal.Decimal, "a decimal number"),
    fractions.Fraction: (fractions.Fraction, "a fraction"),
    datetime.date: (datetime.date.fromisoformat, "a date like 2026-11-25"),
    datetime.datetime: (datetime.datetime.fromisoformat, "a time like 2026-11-25T13:00"),
    datetime.time: (datetime.time.fromisoformat, "a time like 13:00"),
    uuid.UUID: (uuid.UUID, "a UUID"),
}
_LISTS: dict[object, Callable[[Iterable[object]], object]] = {
    **dict.fromkeys((list, abc.Sequence, abc.MutableSequence, abc.Iterable, abc.Collection), list),
    **dict.fromkeys((set, abc.Set), set),
    frozenset: frozenset,
}
_MAPPINGS = (dict, abc.Mapping, abc.MutableMapping)


def value_of(name: str, text: str, annotation: object) -> object:
    """Return the value of `text` for the parameter `name`; raise `UsageError` where it does not fit the annotation."""
    try:
        return _typed(text, annotation)
    except _InvalidValue as unfit:
        raise UsageError(f"parameter '{name}' must be {unfit}; got {text!r}") from None


def _typed(value: object, kind: object) -> object:
    """Return a text, or a value inside JSON, as a value of the type."""
    if kind in (inspect.Parameter.empty, typing.Any, object):
        return _from_json(value)
    if hasattr(kind, "__supertype__") or hasattr(kind, "__value__"):
        # A NewType, or an alias made with `type`.
        return _typed(value, getattr(kind, "__supertype__", None) or getattr(kind, "__value__", None))
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return _typed(value, arguments[0])
    if origin is typing.Literal:
        return _choice(value, {str(one): one for one in arguments})
    if origin in (typing.Union, types.UnionType):
        return _union(value, arguments)
    if (origin or kind) in _LISTS or (origin or kind) in (tuple, *_MAPPINGS):
        return _container(value, origin or kind, arguments)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _choice(value, {str(one.value): one for one in kind} | dict(kind.__members__))
    return _scalar(value, kind)


def _from_json(value: object) -> object:
    """Return the value of a parameter without annotation: JSON where it is, else the text."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return json.loads(value)
    return value


def _scalar(value: object, kind: object) -> object:
    if kind in (None, types.NoneType):
        if value is None or (isinstance(value, str) and value.lower() in _NOTHING):
            return None
        raise _InvalidValue("none")
    if kind is bool:
        if isinstance(value, bool):
            return value
        return _choice(value.lower() if isinstance(value, str) else value, _WORDS)
    if kind is str:
        if isinstance(value, str):
            return value
        raise _InvalidValue("a text")
    if kind not in _CONSTRUCTORS:
        shown = kind.__name__ if isinstance(kind, type) else str(kind)
        raise _InvalidValue(f"of type {shown}, which has no text: name a function that makes it from what has one")
    make, description = _CONSTRUCTORS[kind]
    if isinstance(value, bool) or not isinstance(value, str | int | float) or (kind is int and type(value) is float):
        raise _InvalidValue(description)
    try:
        return make(value if isinstance(value, str) else repr(value))
    except (ValueError, ArithmeticError):
        raise _InvalidValue(description) from None


def _choice(value: object, choices: dict[str, typing.Any]) -> object:
    found = choices.get(value if isinstance(value, str) else str(value), _InvalidValue)
    if found is _InvalidValue:
        raise _InvalidValue(f"one of {', '.join(choices)}")
    return found


def _union(value: object, kinds: tuple[object, ...]) -> object:
    """Return the value of the first type that fits; `str` is tried last."""
    descriptions = []
    for kind in sorted(kinds, key=lambda kind: (kind is str, kind is not types.NoneType)):
        try:
            return _typed(value, kind)
        except _InvalidValue as unfit:
            descriptions.append(str(unfit))
    raise _InvalidValue(" or ".join(descriptions))


def _container(value: object, kind: object, arguments: tuple[object, ...]) -> object:
    """Return a list, tuple, set or dict, from JSON or, except for a dict, from texts separated by commas."""
    found = value
    if isinstance(value, str):
        try:
            found = json.loads(value)
        except ValueError:
            found = value
        if not isinstance(found, list | dict) and kind not in _MAPPINGS:
            found = [part.strip() for part in value.split(",")] if value.strip() else []
    if kind in _MAPPINGS:
        if not isinstance(found, dict):
            raise _InvalidValue('a JSON object like {"a": 1}')
        keys, values = arguments or (object, object)
        return {_typed(key, keys): _typed(one, values) for key, one in found.items()}
    if not isinstance(found, list):
        raise _InvalidValue("a JSON list like [1, 2], or values with commas between them")
    if kind is not tuple:
        return _LISTS[kind](_typed(one, *(arguments or (object,))) for one in found)
    if not arguments or arguments[1:] == (...,):
        return tuple(_typed(one, arguments[0] if arguments else object) for one in found)
    if len(found) != len(arguments):
        raise _InvalidValue(f"{len(arguments)} values")
    return tuple(map(_typed, found, arguments))
