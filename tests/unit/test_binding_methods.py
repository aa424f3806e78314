"""Tasks on methods: a `self` that nobody gave is told, as values shift into it unseen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from daglite import task
from daglite.exceptions import ParameterError
from tests import samples

rows: Any = samples.rows


def loose(fn: Callable[..., object]) -> Any:
    """A task that checkers know nothing of."""
    return task(fn)


class Shop:
    @loose
    def inside(self, x: int) -> int:
        return x

    def price(self, x: int) -> int:
        return x

    def pair(self, x: int, y: int) -> int:
        return x + y

    @classmethod
    def of(cls, x: int) -> int:
        return x


price = loose(Shop.price)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: price(1),
            r"^task 'Shop\.price': missing a required argument: 'x'; it takes 'self', 'x'; 'price' is a",
        ),
        (lambda: price(x=1), r"a required argument: 'self'; .*'price' is a method of 'Shop' that is not bound, so the"),
        (lambda: Shop().inside(1), r" 'inside' is a method of 'Shop' .* 'self': .*, task\(an_object\.inside\)$"),
        (lambda: rows.iter(n=3).then(price), r"^`then` of task 'Shop\.price' leaves 'x' .*; 'price' is a method"),
        (lambda: price.map(x=[1]), r"^`map` of task 'Shop\.price' leaves 'self' .*`\.partial\(self=\.\.\.\)`"),
        (lambda: loose(Shop.pair)(Shop(), 1), r"missing a required argument: 'y'; .* is not bound"),
    ],
)
def test_method_that_is_not_bound_is_told(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        build()


def test_bound_methods_and_plain_functions_hear_nothing_of_methods() -> None:
    def takes(self: int, x: int) -> int:
        return self + x

    for bound in (Shop().price, Shop.of, takes):
        with pytest.raises(ParameterError, match=r"missing a required argument: '\w+'; it takes ['\w, ]+$"):
            loose(bound)()
    assert price(Shop(), 1).run(runtime="inline") == 1
    assert rows.iter(n=3).then(price.partial(self=Shop())).run(runtime="inline") == [0, 1, 2]
