"""Partial tasks."""

from __future__ import annotations

from typing import assert_type

from daglite import IterFuture, MapTaskFuture, PartialTask, ReduceFuture, TaskFuture
from tests.typing.shop import minus, numbers, prefixed, scale, words

timed = scale.partial(factor=2.0)
assert_type(timed(1.0), TaskFuture[float])
assert_type(timed(x=1.0), TaskFuture[float])
assert_type(timed.partial(x=1.0)(), TaskFuture[float])
assert_type(numbers.iter(n=3).then(timed), MapTaskFuture[float])
assert_type(numbers.iter(n=3).then(scale.partial(x=2.0)), MapTaskFuture[float])
assert_type(numbers.iter(n=3).then(prefixed.partial(prefix="n")), MapTaskFuture[str])
assert_type(timed.map(x=[1.0]), MapTaskFuture[float])
short = words.partial(limit=1)
assert_type(short.iter(text="a b"), IterFuture[str])
assert_type(short.with_options(retries=1)(text="a b"), TaskFuture[list[str]])
assert_type(numbers.iter(n=3).reduce(minus.partial(), initial=0), ReduceFuture[int])
open_ended: PartialTask[..., float] = timed

# mypy     Expression is of type "ReduceFuture[Any]", not "ReduceFuture[int]"  [assert-type]
# plugin   ok
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ok
# why      mypy: a partial task takes anything, so the fold is of `Any`
