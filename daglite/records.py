"""Frozen records: `dataclass(frozen=True, slots=True)` without the time that it takes to generate code.

The standard decorator compiles up to five methods for each class, which takes a third of a millisecond; for some thirty
classes that would be a third of the time that `import daglite` may take. Here all classes share the same methods.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar, overload

from typing_extensions import dataclass_transform

R = TypeVar("R")
_FIELDS = "__record_fields__"


@overload
@dataclass_transform(eq_default=False, frozen_default=True)
def record(cls: type[R], /) -> type[R]: ...
@overload
@dataclass_transform(eq_default=False, frozen_default=True)
def record(*, eq: bool = ..., repr: bool = ...) -> Callable[[type[R]], type[R]]: ...
def record(cls: type[Any] | None = None, /, *, eq: bool = False, repr: bool = True) -> Any:
    """Turn a class of annotated fields into a frozen one with slots.

    Records compare by identity, with `eq=True` by their fields. `repr=False` keeps the `repr` of the base class.

    >>> @record(eq=True)
    ... class Point:
    ...     x: int
    ...     y: int = 0
    >>> replace(Point(1), y=2)
    Point(x=1, y=2)
    """
    if cls is None:
        return lambda made: _made(made, eq, repr)
    return _made(cls, eq, repr)


def field_names(cls: type) -> tuple[str, ...]:
    """Return the names of the fields of a record class, in order; raise `AttributeError` for other classes."""
    names: tuple[str, ...] = getattr(cls, _FIELDS)
    return names


def replace(item: R, /, **changes: object) -> R:
    """Return a copy with other values in some fields; raise `TypeError` for names that are no fields."""
    cls = type(item)
    return cls(**{name: getattr(item, name) for name in field_names(cls)} | changes)


def _made(cls: type, eq: bool, repr: bool) -> type:
    names = tuple(vars(cls).get("__annotations__", ()))
    content = {name: value for name, value in vars(cls).items() if name not in ("__dict__", "__weakref__", *names)}
    defaults = {name: vars(cls)[name] for name in names if name in vars(cls)}
    content |= {"__slots__": names, "__match_args__": names, _FIELDS: names, "__qualname__": cls.__qualname__}
    content |= {"__setattr__": _refuse_set, "__delattr__": _refuse_delete, "__reduce__": _reduce}
    if repr and "__repr__" not in vars(cls):
        content["__repr__"] = _repr
    if eq:
        content |= {"__eq__": _equal, "__hash__": _hash}
    made: Any = type(cls)(cls.__name__, cls.__bases__, content)
    made.__init__ = _init_of(made, names, defaults)
    return made  # type: ignore[no-any-return]


def _init_of(cls: type, names: tuple[str, ...], defaults: dict[str, object]) -> Callable[..., None]:
    # The setters of the slots themselves, past the `__setattr__` that refuses.
    setters = [vars(cls)[name].__set__ for name in names]
    count, checked = len(names), getattr(cls, "__post_init__", None)

    def __init__(self: Any, *values: object, **named: object) -> None:
        if named or len(values) != count:
            values = _arranged(cls, names, defaults, values, named)
        for put, value in zip(setters, values, strict=True):
            put(self, value)
        if checked is not None:
            checked(self)

    return __init__


def _arranged(
    cls: type, names: tuple[str, ...], defaults: dict[str, object], values: tuple[object, ...], named: dict[str, object]
) -> tuple[object, ...]:
    """Return the values of all fields in order; raise `TypeError` as a call would."""
    given = dict(zip(names, values, strict=False))
    for name in named:
        if name not in names or name in given:
            what = "multiple values for" if name in given else "an unexpected"
            raise TypeError(f"{cls.__name__}() got {what} argument '{name}'")
    found = defaults | given | named
    missing = [name for name in names if name not in found]
    if len(values) > len(names) or missing:
        told = f"{len(values)} values for {len(names)} fields" if not missing else f"no {', '.join(map(repr, missing))}"
        raise TypeError(f"{cls.__name__}() got {told}")
    return tuple(found[name] for name in names)


def _values(item: Any) -> tuple[object, ...]:
    return tuple([getattr(item, name) for name in field_names(type(item))])


def _refuse_set(self: object, name: str, _: object) -> NoReturn:
    raise AttributeError(f"cannot assign to field {name!r}: {type(self).__name__} is frozen")


def _refuse_delete(self: object, name: str) -> NoReturn:
    raise AttributeError(f"cannot delete field {name!r}: {type(self).__name__} is frozen")


def _reduce(self: object) -> tuple[type, tuple[object, ...]]:
    return type(self), _values(self)


def _repr(self: object) -> str:
    fields = ", ".join(f"{name}={value!r}" for name, value in zip(field_names(type(self)), _values(self), strict=True))
    return f"{type(self).__qualname__}({fields})"


def _equal(self: object, other: object) -> bool:
    return _values(self) == _values(other) if type(other) is type(self) else NotImplemented


def _hash(self: object) -> int:
    return hash(_values(self))
