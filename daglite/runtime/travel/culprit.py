"""Where in a function or a value the thing is that cannot be pickled: the variable, attribute or element to change."""

from __future__ import annotations

import functools
import types
from collections.abc import Iterator

from daglite.exceptions import TransferError
from daglite.functions import Function
from daglite.runtime.travel.cells import SCALARS
from daglite.runtime.travel.code import LOCKS, globals_read
from daglite.runtime.travel.wire import Codec

__all__ = ["whereabouts"]

_DEEPEST = 8


def whereabouts(codec: Codec, value: object) -> str:
    """The way to it by names, such as "self > connection"; "" where it is the value itself, or nobody can tell.

    Pickles one part after the other, so it is for a run that has failed already.
    """
    way: list[str] = []
    seen = {id(value)}
    while len(way) < _DEEPEST:
        found = next(((name, part) for name, part in _parts(value) if not _goes(codec, part, seen)), None)
        if found is None:
            break
        name, value = found
        seen.add(id(value))
        way.append(name)
    return " > ".join(way)


def _goes(codec: Codec, part: object, seen: set[int]) -> bool:
    if type(part) in SCALARS or id(part) in seen:
        return True
    try:
        codec.dumps(part)
    except TransferError:
        return False
    except Exception:
        # Something else is wrong with it, and has been told.
        return True
    return True


def _parts(value: object) -> Iterator[tuple[str, object]]:
    """What a value takes along when it travels, with the names that its owner knows it by."""
    match value:
        case Function():
            # The record around the user's function has no name of its own.
            yield from _parts(value.fn)
        case types.FunctionType():
            yield from _variables(value)
        case types.MethodType():
            yield "self", value.__self__
        case functools.partial():
            yield from ((f"argument {place}", one) for place, one in enumerate(value.args))
            yield from value.keywords.items()
            yield from _parts(value.func)
        case dict():
            yield from ((f"[{key!r}]", one) for key, one in value.items())
        case list() | tuple() | set() | frozenset():
            yield from ((f"[{place}]", one) for place, one in enumerate(value))
        case _:
            own = getattr(value, "__dict__", {})
            yield from (
                (name, one) for name, one in own.items() if type(one) not in LOCKS or not isinstance(value, type)
            )


def _variables(fn: types.FunctionType) -> Iterator[tuple[str, object]]:
    for name, cell in zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:
            # It has no value yet.
            continue
    # A lock among them is made anew where they go.
    yield from ((name, one) for name, one in globals_read(fn).items() if type(one) not in LOCKS)
    yield from (fn.__kwdefaults__ or {}).items()
    yield from ((f"default {place}", one) for place, one in enumerate(fn.__defaults__ or ()))
