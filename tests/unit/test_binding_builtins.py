"""Binding where no parameter has a name for a value: built-ins that tell no signature, and `*args`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from daglite import Future, task
from daglite.exceptions import ParameterError, TaskError


def loose(fn: Callable[..., object]) -> Any:
    """A task that checkers know nothing of."""
    return task(fn)


def inline(future: Future[object]) -> object:
    return future.run(runtime="inline")


def count(n: int) -> Iterator[int]:
    yield from range(n)


def test_builtins_without_a_signature_are_tasks() -> None:
    """Python does not say what `int`, `str`, `max` and the like take; they take what they are given."""
    texts = task(count).iter(n=3).then(loose(str))

    assert inline(texts) == ["0", "1", "2"]
    assert inline(texts.then(loose(int), base=2).take(2)) == [0, 1]
    assert inline(loose(max)(3, 7)) == 7
    assert inline(task(count).iter(n=3).then(loose(max), 1)) == [1, 1, 2]
    assert inline(task(count).iter(n=3).reduce(loose(max), initial=1)) == 2
    assert inline(task(count).iter(n=3).reduce(loose(max), initial=1, combine=cast(Any, max))) == 2


def test_map_needs_names_which_a_builtin_may_not_tell() -> None:
    with pytest.raises(
        TaskError, match=r"^`map` gives values by name, .* what 'max' calls them: give them by position"
    ):
        loose(max).map(x=[1])


def test_items_go_to_a_parameter_that_takes_any_number() -> None:
    """As in a call by position: never to a parameter behind it, which is for a name only."""

    def told(first: int, *rest: int, last: int = 0) -> tuple[object, ...]:
        return first, rest, last

    one = task(count).iter(n=1)
    assert inline(one.then(loose(lambda *values, sep=" ": (values, sep)))) == [((0,), " ")]
    assert inline(one.then(loose(told), 5, 6, last=7)) == [(0, (5, 6), 7)]
    assert inline(one.then(loose(told).partial(first=4))) == [(4, (0,), 0)]
    assert inline(one.reduce(loose(lambda *values: values), initial="a")) == ("a", 0)
    assert inline(one.then(loose(lambda *values: len(values)), *range(11))) == [12]
    assert loose(told).partial(first=1)(*range(12)).run(runtime="inline")[1] == tuple(range(12))


def test_printing_items_prints_the_items(capsys: pytest.CaptureFixture[str]) -> None:
    assert inline(task(count).iter(n=2).then(loose(str)).for_each(loose(print), sep="-")) == 2
    assert capsys.readouterr().out == "0\n1\n"


def test_parameters_that_take_any_number_are_told_with_their_stars() -> None:
    with pytest.raises(ParameterError, match=r"^task '<lambda>' has no parameter 'values'; it takes '\*values'"):
        loose(lambda *values: values).map(values=[1])
