"""Failed items."""

from __future__ import annotations

from contextlib import suppress
from typing import assert_type

from daglite import Failed, MapTaskFuture, ReduceFuture, Retry, compile, task
from tests.typing.shop import scale, upper, words


@task(retries=Retry(attempts=5, on=(ConnectionError, TimeoutError)), on_error="skip")
def parse(text: str) -> float:
    return float(text)


def zero(failed: Failed[str]) -> float:
    return 0.0 if failed.kept and failed.item else -1.0


@task
def report(one: float | Failed[str | float]) -> str:
    if isinstance(one, Failed):
        assert_type(one.item, str | float)
        assert_type(one.error, Exception)
        return one.task
    return f"{one}"


@task
def count(failed: int, one: float | Failed[str | float]) -> int:
    return failed + isinstance(one, Failed)


parsed = words.iter(text="1 two 3").attempt(parse)
assert_type(parsed, MapTaskFuture[float | Failed[str]])
scaled = parsed.attempt(scale, factor=2.0)
assert_type(scaled, MapTaskFuture[float | Failed[str | float]])
assert_type(scaled.then(report), MapTaskFuture[str])
assert_type(scaled.reduce(count, initial=0), ReduceFuture[int])
assert_type(words.iter(text="a").attempt(upper), MapTaskFuture[str | Failed[str]])
assert_type(words.iter(text="1").then(parse.with_options(on_error=zero)), MapTaskFuture[float])
plan = compile(scaled)
for one in plan.run(runtime="inline", seed=1, max_failures=2):
    if isinstance(one, Failed):
        with suppress(ValueError):
            plan.replay(one)

# mypy     ok
# plugin   ok
# pyright  ok
# pyrefly  ok
# ty       Type `MapTaskFuture[float | Failed[Unknown | float]]` does not match asserted type `MapTaskFuture[float | Failed[str | float]]`  [type-assertion-failure]
# python   ok
# why      ty: it does not take the union of a stream apart, and loses the type inside `Failed`
