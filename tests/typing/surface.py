"""The typed surface at a glance, read by the checkers and executed: each `assert_type` holds in both worlds."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import assert_type

import daglite
from daglite import (
    Failed,
    Future,
    ItemStream,
    IterFuture,
    MapTaskFuture,
    PartialStreamTask,
    PartialTask,
    Plan,
    ReduceFuture,
    TaskFuture,
    ref,
    task,
)
from daglite.compile import compile as compile_function


@task
def rows(path: str, limit: int = 3) -> Iterator[dict[str, str]]:
    for number in range(limit):
        yield {path: str(number)}


@task
async def ticks(n: int) -> AsyncIterator[int]:
    for number in range(n):
        yield number


@task
def price(row: dict[str, str], tax: float = 0.0) -> float:
    return len(row) + tax


@task
def dear(price: float, least: object = 1.0) -> bool:
    return price >= 1.0


@task
async def label(value: float, prefix: str) -> str:
    return f"{prefix}{value}"


@task
def add(total: float, item: float) -> float:
    return total + item


@task
def listed(values: list[float]) -> dict[str, float]:
    return {"total": sum(values)}


@task
def count() -> int:
    return 2


@task(name="twice", retries=1)
def double(x: int) -> int:
    return x * 2


@task(retries=1)
def numbers(n: int) -> Iterator[int]:
    yield from range(n)


def plain(x: int, y: float) -> float:
    return x + y


class Named:
    def method(self, x: int) -> str:
        return str(x)


def tasks() -> None:
    assert_type(double.retries, int)
    assert_type(double.fn(2), int)
    assert_type(task(plain)(1, 2.0), TaskFuture[float])
    assert_type(task(Named().method)(x=1), TaskFuture[str])
    assert_type(task(plain, name="other", retries=1)(x=1, y=2.0).run(runtime="inline"), float)
    assert_type(double.with_options(name="other")(x=1), TaskFuture[int])
    assert_type(numbers.with_options(retries=0).iter(n=1), IterFuture[int])
    assert_type(double(x=2), TaskFuture[int])
    assert_type(label(value=1.0, prefix=""), TaskFuture[str])
    assert_type(rows(path="a"), TaskFuture[list[dict[str, str]]])
    assert_type(ticks(n=1), TaskFuture[list[int]])


def streams() -> None:
    assert_type(rows.iter(path="a"), IterFuture[dict[str, str]])
    assert_type(ticks.iter(n=2), IterFuture[int])
    assert_type(numbers.iter(2), IterFuture[int])
    assert_type(rows.iter("a").then(price), MapTaskFuture[float])
    assert_type(rows.iter("a").then(price, tax=1.5).then(label, prefix="p"), MapTaskFuture[str])
    assert_type(rows.iter("a").then(price).then(label, "p").run(runtime="inline"), list[str])
    assert_type(rows.iter("a").then(price).filter(dear), MapTaskFuture[float])
    assert_type(rows.iter("a").attempt(price, tax=1.5), MapTaskFuture[float | Failed[dict[str, str]]])
    assert_type(rows.iter("a").take(1), IterFuture[dict[str, str]])
    assert_type(rows.iter("a").then(price).filter(dear).take(1), MapTaskFuture[float])
    assert_type(rows.iter("a").filter(dear.partial(price=1.0)), MapTaskFuture[dict[str, str]])
    assert_type(rows.iter("a").then(price).join(listed), TaskFuture[dict[str, float]])
    assert_type(rows.iter("a").then(price).reduce(add, initial=0.0), ReduceFuture[float])
    assert_type(numbers.iter(n=3).reduce(add, initial=0, ordered=False).run(runtime="inline"), float)
    # An item is taken contravariantly: a task for floats takes ints.
    assert_type(numbers.iter(n=3).then(label, prefix=""), MapTaskFuture[str])
    assert_type(numbers.iter(n=3).then(numbers), MapTaskFuture[list[int]])
    assert_type(double(x=1).then(label, prefix=""), TaskFuture[str])
    assert_type(numbers.iter(n=3).reduce(add, initial=0.0).then(label, prefix=""), TaskFuture[str])
    assert_type(rows.iter("a").save("{iteration_index}"), IterFuture[dict[str, str]])
    assert_type(numbers.iter(1).then(double).save("k_{iteration_index}").then(double), MapTaskFuture[int])
    assert_type(numbers.iter(1).reduce(add, initial=0.0).save("k"), ReduceFuture[float])


@task
def length(text: str, most: int = 5) -> int:
    return min(len(text), most)


@task
def short(text: str, least: int = 1) -> bool:
    return len(text) >= least


@task
def letters(text: str) -> list[str]:
    return list(text)


def operations() -> None:
    texts = rows.iter("a").then(price).then(label, prefix="p")
    assert_type(numbers.iter(3).batch(2), MapTaskFuture[list[int]])
    assert_type(numbers.iter(3).batch(2).batch(2).run(runtime="inline"), list[list[list[int]]])
    assert_type(numbers.iter(3).batch(2).unbatch(), MapTaskFuture[int])
    assert_type(numbers.iter(3).then(numbers).unbatch().run(runtime="inline"), list[int])
    assert_type(texts.then(letters).unbatch(), MapTaskFuture[str])
    assert_type(texts.flat_map(letters), MapTaskFuture[str])
    assert_type(numbers.iter(3).flat_map(numbers).then(double).run(runtime="inline"), list[int])
    assert_type(numbers.iter_partitions([{"n": 3}, {"n": 4}]), MapTaskFuture[int])
    assert_type(numbers.iter_partitions([{"n": 3}]).sum().run(runtime="inline"), int)
    assert_type(numbers.iter(3).window(2), MapTaskFuture[list[int]])
    assert_type(numbers.iter(3).window(2, step=2), MapTaskFuture[list[int]])
    assert_type(texts.enumerate(), MapTaskFuture[tuple[int, str]])
    assert_type(texts.skip(1), MapTaskFuture[str])
    assert_type(texts.batch(2).take(1), MapTaskFuture[list[str]])
    assert_type(texts.take_while(short), MapTaskFuture[str])
    assert_type(texts.take_while(short, least=2).run(runtime="inline"), list[str])
    assert_type(numbers.iter(3).take_while(dear), MapTaskFuture[int])
    assert_type(texts.distinct(), MapTaskFuture[str])
    assert_type(texts.distinct(length, limit=5), MapTaskFuture[str])
    assert_type(texts.group_by(length), MapTaskFuture[tuple[int, list[str]]])
    assert_type(texts.group_by(length, limit=9).run(runtime="inline"), list[tuple[int, list[str]]])
    assert_type(texts.zip(numbers.iter(3)), MapTaskFuture[tuple[str, int]])
    assert_type(texts.zip(texts.enumerate()), MapTaskFuture[tuple[str, tuple[int, str]]])


def named_folds() -> None:
    texts = rows.iter("a").then(price).then(label, prefix="p")
    assert_type(texts.count(), ReduceFuture[int])
    assert_type(texts.count().run(runtime="inline"), int)
    assert_type(numbers.iter(3).sum(), ReduceFuture[int])
    assert_type(rows.iter("a").then(price).sum().run(runtime="inline"), float)
    assert_type(rows.iter("a").then(price).sum(1.5), ReduceFuture[float])
    assert_type(texts.min(), ReduceFuture[str])
    assert_type(texts.max().run(runtime="inline"), str)
    assert_type(texts.max(key=len), ReduceFuture[str])
    assert_type(texts.min(default=None), ReduceFuture[str | None])
    assert_type(rows.iter("a").max(key=len, default=None), ReduceFuture[dict[str, str] | None])
    assert_type(texts.for_each(length), ReduceFuture[int])
    assert_type(texts.for_each(length, most=2).then(double), TaskFuture[int])


def iterables() -> None:
    assert_type(daglite.from_iterable([1, 2]), IterFuture[int])
    assert_type(daglite.from_iterable(range(3)).then(double), MapTaskFuture[int])
    assert_type(daglite.from_iterable({"a": 1}.items()).run(runtime="inline"), list[tuple[str, int]])
    assert_type(daglite.from_iterable(iter([1.5])).run(runtime="inline"), list[float])


def open_partials(one: PartialTask[..., float], stream: PartialStreamTask[..., dict[str, str]]) -> None:
    """With the plugin the parameters that are left are known, without it they are open; both are one of these."""


def partials_and_maps() -> None:
    open_partials(price.partial(tax=1.0), rows.partial(limit=1))
    assert_type(rows.partial(limit=1).iter(path="a").then(price), MapTaskFuture[float])
    assert_type(label.partial(prefix="").partial(value=1.0)(), TaskFuture[str])
    assert_type(double.map(x=[1, 2]), MapTaskFuture[int])
    assert_type(double.map(x=numbers.iter(n=2)).run(runtime="inline"), list[int])
    assert_type(double.map(x=numbers(n=2)), MapTaskFuture[int])
    assert_type(add.map(total=[1.0], item=[2.0], map_mode="product"), MapTaskFuture[float])
    assert_type(numbers.map(n=[1, 2]), MapTaskFuture[list[int]])
    assert_type(task(functools.partial(plain, 1))(y=2.0), TaskFuture[float])
    assert_type(numbers.iter(2).then(functools.partial(label, prefix="p")), MapTaskFuture[str])


def futures_as_arguments() -> None:
    """`ref` types a future as its value."""
    assert_type(ref(count()), int)
    assert_type(numbers.iter(n=ref(count())).run(runtime="inline"), list[int])
    assert_type(numbers.iter(n=2).reduce(add, initial=ref(price(row={}))), ReduceFuture[float])


def plans() -> None:
    plan = daglite.compile(rows.iter("a").then(price).reduce(add, initial=0.0))
    assert_type(plan, Plan[float])
    assert_type(plan.run(runtime="inline"), float)
    assert_type(plan.explain(), str)
    assert_type(plan.explain("json"), str)
    assert_type(plan.fingerprint, str | None)
    assert_type(asyncio.run(plan.run_async(runtime="inline")), float)
    assert_type(compile_function(double(x=1), optimize=False, max_in_flight=8), Plan[int])
    items = daglite.compile(numbers.iter(n=2)).stream(runtime="inline")
    assert_type(items, ItemStream[int])
    with items:
        assert_type(next(items), int)
    assert_type(double(x=2).run(runtime="inline"), int)


def accepts(value: Future[object], number: TaskFuture[float], general: Callable[[int], TaskFuture[object]]) -> None:
    """Values are covariant: a future of an int is one of a float, and of an object; so is what a task gives."""


def variance() -> None:
    accepts(numbers.iter(n=1), double(x=1), double)
    accepts(numbers.iter(n=1).then(double), count(), double)
    wide: Plan[object] = daglite.compile(double(x=1))
    assert wide.run(runtime="inline") == 2


def main() -> None:
    tasks()
    streams()
    operations()
    named_folds()
    iterables()
    partials_and_maps()
    futures_as_arguments()
    plans()
    variance()


if __name__ == "__main__":
    main()
