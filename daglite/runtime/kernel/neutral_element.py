"""What a worker's fold starts from, so that `initial` enters a result once: given by the user, or found.

The part of the first batch starts from `initial`, every other one from a value that `combine` leaves out. A sum of 100
and the items has 0 for it, a dictionary with something in it an empty one. It is looked for only among values that lie
at hand, and only one that `combine` is seen to leave out is taken: a guess would be a wrong result on some machines.
"""

from __future__ import annotations

import contextlib
import copy
import pickle
from collections.abc import Callable, Iterator, MutableMapping, MutableSequence, MutableSet
from numbers import Number
from typing import Any, cast

from daglite.exceptions import ParameterError
from daglite.runtime.kernel.errors import short_repr


def find_neutral_element(initial: object, given: tuple[object, ...], name: str, combine: Callable[..., Any]) -> object:
    """A value with which `combine(initial, value)` is `initial`: the one `given`, if any, else the first found.

    Raises `ParameterError` when the given one is no such value, as far as `==` can tell, or when none is found. `name`
    is what the user calls `combine`.
    """
    law = f"`{name}(a, empty)` must give `a` for every accumulator"
    if given:
        try:
            empty = copy.deepcopy(given[0])
        except Exception as error:
            raise ParameterError(f"`empty` of `combine` '{name}' cannot be copied: {given[0]!r}: {error}") from error
        if _leaves_out(empty, initial, combine) is False:
            raise ParameterError(
                f"`empty` {short_repr(empty)} changes `initial` {short_repr(initial)} in `combine` '{name}': {law}"
            )
        return empty
    tried = [*_at_hand(initial)]
    for candidate in tried:
        if _leaves_out(candidate, initial, combine):
            return candidate
    shown = " or ".join(dict.fromkeys(map(short_repr, tried)))
    raise ParameterError(
        f"`reduce` with `combine` '{name}' and `initial` {short_repr(initial)} needs `empty`, from which workers "
        f"start: {law}, which is not seen of {shown}; give it, as `empty=(0, 0.0)` where a count and a sum are kept"
    )


def _at_hand(initial: object) -> Iterator[object]:
    """What may be left out: the value emptied; 0, 1 or the empty text as its type has it; the value itself."""
    # The emptied one comes first: `{"a": 1}` put over a part in which "a" is 2 would change it.
    with contextlib.suppress(Exception):
        if isinstance(initial, MutableMapping | MutableSequence | MutableSet):
            emptied = copy.deepcopy(initial)
            emptied.clear()
            yield emptied
        elif isinstance(initial, Number):
            # `Number` says nothing of its constructors; all that are at hand take an int.
            make = cast("Callable[[int], object]", type(initial))
            yield make(0)
            yield make(1)
        elif isinstance(initial, str | bytes | tuple | frozenset):
            yield type(initial)()
    yield copy.deepcopy(initial)


def _leaves_out(empty: object, initial: object, combine: Callable[..., Any]) -> bool | None:
    """Whether `combine` leaves `initial` as it is; None when that cannot be told."""
    try:
        # Of copies: it may change what it is given.
        found = combine(copy.deepcopy(initial), copy.deepcopy(empty))
        if _equal(found, initial):
            return True
        # A value that does not even equal its own copy (NaN, or a class without `==`) tells nothing.
        return False if _equal(initial, copy.deepcopy(initial)) and (found == initial) is False else None
    except Exception:
        return None


def _equal(one: object, other: object) -> bool:
    """Whether the two are known to be equal: by `==`, or because they pickle alike, as arrays and plain objects do."""
    with contextlib.suppress(Exception):
        if (one == other) is True:
            return True
    with contextlib.suppress(Exception):
        return pickle.dumps(one) == pickle.dumps(other)
    return False
