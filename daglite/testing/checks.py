"""Checks of tasks for what pipelines require and types cannot express."""

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

# Most items of a list that is drawn: a law that does not hold breaks on few.
_MOST_ITEMS = 6


def check_task(
    task: Callable[Concatenate[T, P], TaskFuture[U]],
    /,
    items: SearchStrategy[T],
    *,
    same: Callable[[U, U], bool] | None = None,
    max_examples: int | None = None,
) -> None:
    """Check that workers may run a task, and run it again. For each item drawn from `items`:

    - the item and the result can be sent to another process, and arrive unchanged,
    - the same item gives the same result,
    - the task does not change the item.

    The item fills the same parameter as in `.then(task)`. Results are compared with `same`; without it with `==`, and
    where that is not True, by their pickles. `max_examples` is the number of items (default: that of Hypothesis).
    Raises `AssertionError` with the smallest item that violates one of these.

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
    """Check that a fold allows `.reduce(..., ordered=False)`: swapping two neighbouring items changes nothing.

    It follows that items may come in any order. Accumulators are compared as results in `check_task`; for sums of
    floats give `same=math.isclose`. Raises `AssertionError` with the fewest and smallest items whose order matters.

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
    drawn = st.tuples(st.lists(items, max_size=_MOST_ITEMS), items, items)
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
    """Check that `.reduce(fold, initial=..., combine=combine)` equals the fold alone, however workers share the items.

    Combining two partial results must equal folding on, for a first one that starts from `initial` or from `empty`;
    with `ordered=False`, in both orders. Accumulators are compared as in `check_fold`. Raises `AssertionError` with
    the fewest and smallest items that violate this, and `ParameterError` where `.reduce` would: when `empty` is not
    a neutral element, or cannot be found.

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
    # Raises the errors of `.reduce` for wrong arguments.
    nothing.reduce(fold, initial=initial, ordered=ordered, combine=combine, empty=empty)
    merge = combine if isinstance(combine, Bindable) else Bindable(describe(combine))
    units = () if isinstance(empty, Missing) else (empty,)
    law = combine_law(found, merge, initial, units, Comparison(same), ordered=ordered)
    drawn = st.tuples(st.lists(items, max_size=_MOST_ITEMS), st.lists(items, max_size=_MOST_ITEMS))
    search(law, drawn, f"`combine` '{merge.function.name}'", max_examples)
