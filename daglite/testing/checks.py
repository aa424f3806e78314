"""Laws of a user's tasks: what a pipeline takes for granted, and no type says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from typing_extensions import ParamSpec

from daglite.binding import Bindable, require_task
from daglite.functions import describe
from daglite.futures import CombineStep, ReduceStep, TaskFuture
from daglite.futures.folds import ABSENT, Missing
from daglite.testing.equality import Comparison
from daglite.testing.laws import combine_law, fold_law, nothing, task_law
from daglite.testing.searching import search

P = ParamSpec("P")
T = TypeVar("T")
U = TypeVar("U")
A = TypeVar("A")

# Laws break on few items, if at all.
_MOST = 6


def check_task(
    task: Callable[Concatenate[T, P], TaskFuture[U]],
    /,
    items: SearchStrategy[T],
    *,
    same: Callable[[U, U], bool] | None = None,
    max_examples: int | None = None,
) -> None:
    """Check that a task is one that workers may run, and run again: with each item drawn from `items`

    - the item and the result can travel to another process, and arrive as they were,
    - the same item gives the same result,
    - the item is left alone.

    The item fills the parameter that it fills in `.then(task)`. Results are the same when `same` says so; without it by
    `==`, and where that does not say yes, by what they pickle to. `max_examples`: how many items are tried (default:
    as many as Hypothesis is set to). Raises `AssertionError` with the smallest item found that breaks one of these.

    >>> import daglite
    >>> from hypothesis import strategies as st
    >>> @daglite.task
    ... def largest(numbers: list[int]) -> int:
    ...     numbers.sort()
    ...     return numbers[-1] if numbers else 0
    >>> check_task(largest, st.lists(st.integers(0, 9)))
    Traceback (most recent call last):
    AssertionError: task 'largest' changes its item: [1, 0] is [0, 1] afterwards
    """
    found = require_task(task, "check_task")
    search(task_law(found, Comparison(same)), items, f"task '{found.function.name}'", max_examples)


def check_fold(
    fold: ReduceStep[A, T],
    /,
    items: SearchStrategy[T],
    *,
    initial: A,
    same: Callable[[A, A], bool] | None = None,
    max_examples: int | None = None,
) -> None:
    """Check that a fold may be used with `.reduce(..., ordered=False)`: that two neighbours may change places.

    Then all items may come in any order. Accumulators are compared as the results of `check_task`; for sums of floats
    give `same=math.isclose`, and items that it can hold for. Raises `AssertionError` with the fewest and smallest items
    found whose order makes a difference.

    >>> import daglite
    >>> from hypothesis import strategies as st
    >>> @daglite.task
    ... def append(found: list[int], item: int) -> list[int]:
    ...     return [*found, item]
    >>> check_fold(append, st.integers(), initial=[])
    Traceback (most recent call last):
    AssertionError: fold 'append' needs its items in order (`ordered=True`), as from `initial` []
      [0, 1] gives [0, 1]
      [1, 0] gives [1, 0]
    """
    found = require_task(fold, "check_fold")
    drawn = st.tuples(st.lists(items, max_size=_MOST), items, items)
    search(fold_law(found, initial, Comparison(same)), drawn, f"fold '{found.function.name}'", max_examples)


def check_combine(
    fold: ReduceStep[A, T],
    combine: CombineStep[A],
    /,
    items: SearchStrategy[T],
    *,
    initial: A,
    empty: A | Missing = ABSENT,
    ordered: bool = True,
    same: Callable[[A, A], bool] | None = None,
    max_examples: int | None = None,
) -> None:
    """Check that `.reduce(fold, initial=..., combine=combine)` gives what the fold alone gives, however workers share
    the items: putting two parts together is folding on, the first part being one from `initial` or from `empty`.

    With `ordered=False`, that it makes no difference which part comes first. The rest is as for `check_fold`. Raises
    `AssertionError` with the fewest and smallest items found that break this, and `ParameterError` where `.reduce`
    would: when `empty` is none, or cannot be found.

    >>> import daglite
    >>> from hypothesis import strategies as st
    >>> @daglite.task
    ... def longest(best: int, text: str) -> int:
    ...     return max(best, len(text))
    >>> check_combine(longest, max, st.text(), initial=0)
    >>> check_combine(longest, lambda one, other: one + other, st.text(), initial=0)
    Traceback (most recent call last):
    AssertionError: `combine` '<lambda>' does not go on as fold 'longest' does, from `initial` 0
      ['0', '0'] in one gives 1
      ['0'] and ['0'] in parts give 1 and 1, together 2
    """
    found = require_task(fold, "check_combine")
    # What is wrong with the arguments is told as `.reduce` tells it.
    nothing.reduce(fold, initial=initial, ordered=ordered, combine=combine, empty=empty)
    merge = combine if isinstance(combine, Bindable) else Bindable(describe(combine))
    units = () if isinstance(empty, Missing) else (empty,)
    law = combine_law(found, merge, initial, units, Comparison(same), ordered=ordered)
    drawn = st.tuples(st.lists(items, max_size=_MOST), st.lists(items, max_size=_MOST))
    search(law, drawn, f"`combine` '{merge.function.name}'", max_examples)
