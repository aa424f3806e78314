"""Mapped arguments: what `.map` takes, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from daglite import Future, task
from daglite.exceptions import ParameterError
from tests import samples

double: Any = samples.double
minus: Any = samples.minus
one: Any = samples.one
pair: Any = samples.pair
rows: Any = samples.rows


@task
def only_first(a: int, /, b: int = 2) -> tuple[int, int]:
    return a, b


@task
def only_named(*, key: int, other: int = 2) -> tuple[int, int]:
    return key, other


@task
def rest_only(*rest: object, **more: object) -> object:
    return rest, more


def inline(future: Future[object]) -> object:
    return future.run(runtime="inline")


def test_map_zips_by_default() -> None:
    assert inline(double.map(x=[1, 2])) == [2, 4]
    assert inline(minus.map(a=[5, 7], b=(1, 2))) == [4, 5]
    assert inline(minus.map(b=[1, 2], a=[5, 7])) == [4, 5]
    assert inline(minus.partial(b=1).map(a=range(3))) == [-1, 0, 1]
    assert inline(double.map(x=[])) == []


def test_map_makes_the_product() -> None:
    """In the order of the arguments, the last one moving fastest."""
    assert inline(pair.map(a=[1, 2], b="xy", map_mode="product")) == [(1, "x"), (1, "y"), (2, "x"), (2, "y")]
    assert inline(pair.map(b="xy", a=[1, 2], map_mode="product")) == [(1, "x"), (2, "x"), (1, "y"), (2, "y")]
    assert inline(pair.map(a=[1, 2], b=[], map_mode="product")) == []


def test_map_takes_everything_that_can_be_iterated() -> None:
    class Sequence:
        def __getitem__(self, index: int) -> int:
            return [5, 6][index]

    assert inline(double.map(x={1: "a", 2: "b"})) == [2, 4]
    assert inline(double.map(x=(n for n in (1, 2)))) == [2, 4]
    assert inline(double.map(x=Sequence())) == [10, 12]
    assert inline(only_first.map(a=[1])) == [(1, 2)]
    assert inline(only_named.map(key=[1])) == [(1, 2)]
    assert inline(rest_only.map(k=[1])) == [((), {"k": 1})]


def test_iterator_is_read_when_it_is_given() -> None:
    """A plan can run often, an iterator only once."""
    source = iter([1, 2, 3])
    future = double.map(x=source)

    assert list(source) == []
    assert inline(future) == inline(future) == [2, 4, 6]


def test_map_over_futures() -> None:
    assert inline(double.map(x=rows(n=3))) == [0, 2, 4]
    assert inline(double.map(x=rows.iter(n=3))) == [0, 2, 4]
    assert inline(minus.map(a=rows(n=2), b=[1, 1])) == [-1, 0]
    assert inline(pair.map(a=rows(n=2), b=double.map(x=[5, 6]), map_mode="product")) == [
        (0, 10),
        (0, 12),
        (1, 10),
        (1, 12),
    ]
    assert inline(double.map(x=rows.iter(n=2).then(double))) == [0, 4]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: double.map(), r"^`map` of task 'double' needs at least one mapped parameter$"),
        (lambda: double.map(y=[1]), r"^task 'double' has no parameter 'y'; it takes 'x'$"),
        (lambda: double.map(x=3), r"^`map` of task 'double' needs an iterable for 'x'; got 3; fix single values with"),
        (lambda: minus.map(a=[1]), r"^`map` of task 'minus' leaves 'b' without a value; "),
        (lambda: minus.partial(a=1).map(a=[1], b=[1]), r"^task 'minus': parameter 'a' is bound twice"),
        (
            lambda: minus.map(a=[1], b=[1, 2]),
            r"^`map` of task 'minus' zips values of different lengths: 'a' has 1, 'b' has 2; or use map_",
        ),
        (lambda: minus.map(a=[1], b=iter([1, 2])), r"^`map` of task 'minus' zips values of different lengths"),
        (
            lambda: minus.map(a=[1], b=[1], map_mode="cross"),
            r"^`map_mode` of task 'minus' must be 'zip' or 'product'; got 'cross'$",
        ),
        (
            lambda: minus.map(a=rows.iter(n=1), b=[1]),
            r"^`map` of task 'minus': 'a' is an `\.iter\(\)` stream and must be the only mapped parameter; got 'a'",
        ),
        (
            lambda: minus.map(a=[1], b=rows.iter(n=1).save("{iteration_index}")),
            r"^`map` of task 'minus': 'b' is an `\.",
        ),
        (lambda: minus.map(a=rows.iter(n=1), b=[1], map_mode="product"), r"^`map` of task 'minus': 'a' is an `\.iter"),
    ],
)
def test_wrong_maps_raise_at_once(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        build()


def test_stream_may_be_fixed_beside_a_mapped_value() -> None:
    assert inline(pair.partial(b=rows.iter(n=2)).map(a=rows.iter(n=1))) == [(0, [0, 1])]


def test_lengths_known_only_at_run_time_are_compared_then() -> None:
    with pytest.raises(
        ParameterError, match=r"^`map` of task 'minus' zips values of different lengths: 'a' has 2, 'b'"
    ):
        inline(minus.map(a=rows(n=2), b=[1]))


def test_future_that_gives_no_iterable_cannot_be_mapped() -> None:
    with pytest.raises(ParameterError, match=r"^`map` of task 'double' needs an iterable for 'x'; the future gave 3$"):
        inline(double.map(x=one(n=3)))
