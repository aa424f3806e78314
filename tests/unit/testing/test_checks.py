"""Each check finds the bug that is planted for it, shows the smallest items for it, and passes what is right."""

from __future__ import annotations

import asyncio
import itertools
import math
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from daglite import task
from daglite.exceptions import ParameterError, TaskError
from daglite.testing import check_combine, check_fold, check_task
from tests.tasks import add

NUMBERS = st.integers(0, 99)
TICKS = itertools.count()


@task
def append(found: list[int], x: int) -> list[int]:
    found.append(x)
    return found


@task
def count_words(counts: dict[str, int], word: str) -> dict[str, int]:
    counts[word] = counts.get(word, 0) + 1
    return counts


@task
def last(_: int, x: int) -> int:
    return x


@task
def total(sum_: float, x: float) -> float:
    return sum_ + x


class Box:
    """Without `==`."""

    def __init__(self, x: int) -> None:
        self.x = x

    def __repr__(self) -> str:
        return f"Box({self.x})"


class Locked(Box):
    def __init__(self, x: int) -> None:
        super().__init__(x)
        self.lock = threading.Lock() if x > 4 else None


class Forgetful(Box):
    def __reduce__(self) -> Any:
        return Forgetful, (0,)


class Unloadable(Box):
    def __reduce__(self) -> Any:
        return int, ("x",)


@dataclass
class Cached:
    x: int
    cache: list[int] = field(default_factory=list, compare=False)


async def awaited(x: int) -> int:
    await asyncio.sleep(0)
    return x


def yielding(x: int) -> Iterator[int]:
    yield from range(x % 4)


@pytest.mark.parametrize(
    ("fn", "items"),
    [
        (lambda x: x * 2, NUMBERS),
        (awaited, NUMBERS),
        (yielding, NUMBERS),
        (lambda x: math.nan if x else [math.nan], NUMBERS),
        (lambda x: np.arange(x), NUMBERS),
        (lambda box: Box(box.x + 1), st.builds(Box, NUMBERS)),
        (lambda item: item.cache.append(1) or item.x, st.builds(Cached, NUMBERS)),
        (sorted, st.sets(st.text())),
    ],
)
def test_a_good_task_passes(fn: Callable[[Any], Any], items: st.SearchStrategy[Any]) -> None:
    check_task(task(fn, name="fine"), items)


@pytest.mark.parametrize(
    ("fn", "items", "message"),
    [
        (
            lambda x: x + next(TICKS) if x > 6 else x,
            NUMBERS,
            r"^task 'bad' gives different results for the same item\n",
        ),
        (
            lambda xs: xs.sort() or 0,
            st.lists(NUMBERS),
            r"^task 'bad' changes its item: \[1, 0\] is \[0, 1\] afterwards$",
        ),
        (
            lambda box: setattr(box, "x", 7),
            st.builds(Box, NUMBERS),
            r"^task 'bad' changes its item: Box\(0\) is Box\(7\) afterwards$",
        ),
        (Locked, NUMBERS, r"^task 'bad': the result Box\(5\) of item 5 cannot go to another process: .*_thread.lock"),
        (lambda box: 0, st.builds(Locked, NUMBERS), r"^task 'bad': item Box\(5\) cannot go to another process: "),
        (
            Unloadable,
            NUMBERS,
            r"^task 'bad': the result Box\(0\) of item 0 cannot be loaded in another process: ",
        ),
        (Forgetful, NUMBERS, r"(?s)^task 'bad'.*Box\(0\)"),
        (lambda box: box.x, st.builds(Forgetful, NUMBERS), r"(?s)different results.*Box\(1\) gives 1\n.* gives 0 the"),
        (
            lambda x: 10 // (x - 5),
            st.integers(0, 9),
            r"^task 'bad', asked about item 5, raises ZeroDivisionError: .* by zero$",
        ),
    ],
    ids=["unsteady", "sorts", "sets", "result", "item", "loads", "arrives", "differs", "raises"],
)
def test_a_bad_task_is_found(fn: Callable[[Any], Any], items: st.SearchStrategy[Any], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_task(task(fn, name="bad"), items, same=(lambda one, other: one.x == other.x) if fn is Forgetful else None)


def test_the_error_of_a_task_is_the_cause() -> None:
    with pytest.raises(AssertionError, match=r"raises KeyError: 0$") as caught:
        check_task(task(lambda x: {}[x], name="bad"), NUMBERS)
    assert type(caught.value.__cause__) is KeyError


def test_a_task_that_is_wrong_once_in_a_while_is_found() -> None:
    """Hypothesis cannot find the same again; that is what is wrong."""
    calls = itertools.count()
    with pytest.raises(AssertionError, match=r"^task 'rarely' does not do the same each time"):
        check_task(task(lambda x: next(calls) == 20, name="rarely"), NUMBERS)


def test_partials_and_defaults_are_kept() -> None:
    @task
    def scaled(by: int, x: int, more: int = 1) -> int:
        assert by == 3
        return by * x + more

    check_task(scaled.partial(by=3), NUMBERS)


def test_a_good_fold_passes() -> None:
    check_fold(add, NUMBERS, initial=5)
    check_fold(count_words, st.sampled_from("abc"), initial={})
    check_fold(total, st.floats(0, 1), initial=0.0, same=math.isclose)


def test_a_fold_that_needs_its_order_is_found() -> None:
    with pytest.raises(AssertionError, match=r"(?s)^fold 'append' needs its items in.*\[0, 1\] gives \[0, 1\]\n"):
        check_fold(append, NUMBERS, initial=[])
    with pytest.raises(AssertionError, match=r"(?s)^fold 'last' needs .*`initial` 0\n  \[0, 1\] gives 1\n  \[1, 0\] "):
        check_fold(last, NUMBERS, initial=0)
    with pytest.raises(AssertionError, match=r"^fold 'total' needs its items in order"):
        check_fold(total, st.floats(0, 1e9), initial=0.0)


def test_a_fold_that_raises_is_found() -> None:
    @task
    def shares(left: int, x: int) -> int:
        return left // x

    with pytest.raises(AssertionError, match=r"^'shares', folding \[0, 0\] from 1, raises ZeroDivisionError"):
        check_fold(shares, NUMBERS, initial=1)


def test_a_good_combine_passes() -> None:
    check_combine(add, add, NUMBERS, initial=7, ordered=False)
    check_combine(append, lambda one, other: one + other, NUMBERS, initial=[3])
    check_combine(
        count_words, lambda one, other: one | {k: one.get(k, 0) + n for k, n in other.items()},
        st.sampled_from("abc"), initial={"a": 1}, ordered=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("combine", "options", "message"),
    [
        (max, {}, r"^`combine` 'max' does not go on as fold 'add' does, from `initial` 0\n  \[1, 1\] in one gives 2\n"),
        (lambda one, other: one - other, {}, r"in one gives 1\n  \[\] and \[1\] in parts give 0 and 1, together -1$"),
        (lambda one, other: one + other - (0 < one < 5 and other > 0), {"initial": 5, "empty": 0}, r"from `empty` 0\n"),
    ],
    ids=["max", "minus", "empty"],
)
def test_a_bad_combine_is_found(combine: Callable[[int, int], int], options: dict[str, Any], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_combine(add, combine, st.integers(0, 3), **({"initial": 0} | options))


def test_a_combine_that_needs_its_order_is_found() -> None:
    with pytest.raises(AssertionError, match=r"needs its parts in order .*, as with fold 'append'\n  \[0\] and \[1\]"):
        check_combine(append, lambda one, other: one + other, NUMBERS, initial=[], ordered=False)


def test_wrong_arguments_are_told_as_by_reduce() -> None:
    with pytest.raises(ParameterError, match=r"^`empty` 1 changes `initial` 0 in `combine` 'add'"):
        check_combine(add, add, NUMBERS, initial=0, empty=1)
    with pytest.raises(ParameterError, match=r"must be a task or a function of two accumulators; got 5"):
        check_combine(add, 5, NUMBERS, initial=0)  # type: ignore[arg-type]  # what is tested
    with pytest.raises(TaskError, match=r"^`check_fold` needs a task; got <built-in function max>"):
        check_fold(max, NUMBERS, initial=0)  # type: ignore[arg-type]  # what is tested
    with pytest.raises(TaskError, match=r"^`check_task` needs a task; got 5"):
        check_task(5, NUMBERS)  # type: ignore[arg-type]  # what is tested


def test_as_many_items_are_tried_as_are_asked_for() -> None:
    seen = list[int]()
    check_task(task(lambda x: seen.append(x), name="noted"), st.integers(), max_examples=7)
    assert len(seen) == 2 * 7


def test_without_its_extra_it_says_what_to_install() -> None:
    script = "import sys; sys.modules['hypothesis'] = None; import daglite.testing"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert "daglite.testing needs the extra: pip install 'daglite[testing]'" in done.stderr.splitlines()[-1]
