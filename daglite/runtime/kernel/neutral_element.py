"""Find the neutral element of `combine`, from which the folds of workers start, so that `initial` counts once.

The partial of the first batch starts from `initial`, every other one from the neutral element: 0 for a sum that starts
at 100, an empty dictionary for one that starts with entries. The user gives it, or it is looked for among a few obvious
values. A candidate is taken only if `combine` was seen to leave it out: a guess could make results wrong.
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
    """Return a value with which `combine(initial, value)` is `initial`: the one `given`, if any, else the first found.

    `name` is the name of `combine` in messages. Raises `ParameterError` when the given value is not neutral, as far as
    `==` can tell, or when none is found.
    """
    law = f"`{name}(a, empty)` must give `a` for every accumulator"
    if given:
        try:
            empty = copy.deepcopy(given[0])
        except Exception as error:
            raise ParameterError(f"`empty` of `combine` '{name}' cannot be copied: {given[0]!r}: {error}") from error
        if _is_neutral(empty, initial, combine) is False:
            raise ParameterError(
                f"`empty` {short_repr(empty)} changes `initial` {short_repr(initial)} in `combine` '{name}': {law}"
            )
        return empty
    tried = [*_candidates(initial)]
    for candidate in tried:
        if _is_neutral(candidate, initial, combine):
            return candidate
    shown = " or ".join(dict.fromkeys(map(short_repr, tried)))
    raise ParameterError(
        f"`reduce` with `combine` '{name}' and `initial` {short_repr(initial)} needs `empty`, from which workers "
        f"start: {law}, which is not seen of {shown}; give it, as `empty=(0, 0.0)` where a count and a sum are kept"
    )


def _candidates(initial: object) -> Iterator[object]:
    """Yield what may be neutral: the value emptied; 0, 1 or the empty text of its type; the value itself."""
    # The emptied one comes first: `{"a": 1}` merged into a partial in which "a" is 2 would change it.
    with contextlib.suppress(Exception):
        if isinstance(initial, MutableMapping | MutableSequence | MutableSet):
            emptied = copy.deepcopy(initial)
            emptied.clear()
            yield emptied
        elif isinstance(initial, Number):
            # `Number` declares no constructor; those of the standard library take an int.
            make = cast("Callable[[int], object]", type(initial))
            yield make(0)
            yield make(1)
        elif isinstance(initial, str | bytes | tuple | frozenset):
            yield type(initial)()
    yield copy.deepcopy(initial)


def _is_neutral(empty: object, initial: object, combine: Callable[..., Any]) -> bool | None:
    """Return whether `combine` leaves `initial` as it is; None when that cannot be told."""
    try:
        # On copies: it may change its arguments.
        found = combine(copy.deepcopy(initial), copy.deepcopy(empty))
        if _equal(found, initial):
            return True
        # A value that does not equal its own copy (NaN, or a class without `==`) tells nothing.
        return False if _equal(initial, copy.deepcopy(initial)) and (found == initial) is False else None
    except Exception:
        return None


def _equal(one: object, other: object) -> bool:
    """Return whether the two are equal by `==`, or by their pickles, as arrays and plain objects are."""
    with contextlib.suppress(Exception):
        if (one == other) is True:
            return True
    with contextlib.suppress(Exception):
        return pickle.dumps(one) == pickle.dumps(other)
    return False
