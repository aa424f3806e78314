"""Operations."""

from __future__ import annotations

from typing import assert_type

from daglite import MapTaskFuture
from tests.typing.shop import double, large, listing, numbers, upper, words

assert_type(numbers.iter(n=3).batch(2).unbatch().then(double), MapTaskFuture[int])
assert_type(words.iter(text="a b").then(upper).window(2, 2), MapTaskFuture[list[str]])
assert_type(words.iter(text="a b").enumerate().skip(1).take(2), MapTaskFuture[tuple[int, str]])
assert_type(numbers.iter(n=3).take_while(large, least=1.0).distinct(), MapTaskFuture[int])
assert_type(numbers.iter(n=3).take_while(large.partial(least=1.0)), MapTaskFuture[int])
assert_type(words.iter(text="a b").group_by(upper, limit=3), MapTaskFuture[tuple[str, list[str]]])
assert_type(words.iter(text="a b").distinct(upper), MapTaskFuture[str])
assert_type(numbers.iter(n=3).then(listing).unbatch(), MapTaskFuture[int])
assert_type(numbers.iter(n=3).zip(words.iter(text="a")), MapTaskFuture[tuple[int, str]])

# mypy     ok
# plugin   ok
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ok
