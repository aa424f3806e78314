"""Pipelines that the forms of explain are tested with, from small to wide."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from daglite import Failed, Future, Retry, from_iterable, task
from tests.samples import double, minus, odd, one, pair, scale, several, shown, total

__all__ = ["PIPELINES", "add", "fetch", "lines", "price", "rows", "shared"]


@task
def rows(path: str) -> Iterator[dict[str, str]]:
    yield {"path": path}


@task
def price(row: object) -> float:
    return float(len(str(row)))


@task
def add(total: Any, item: Any) -> float:
    return float(total + item)


@task
def long(text: Any, least: int = 1) -> bool:
    return len(text) >= least


@task
def weighed(a: float, b: float, weight: Any) -> float:
    return float(a + weight * b)


@task(retries=2)
def fetch(url: object) -> bytes:
    return str(url).encode()


@task(retries=Retry(attempts=4, on=(OSError, ValueError)), timeout=5)
def patient(line: str) -> float:
    return float(line)


def zero(failed: Failed[object]) -> bool:
    return False


@task(retries=1)
def lines(n: int) -> Iterator[str]:
    yield "line" * n


shared_lines = lines.iter(n=2)


def wide() -> Future[object]:
    parts = [scale(x=one(n=n), by=double(x=n)) for n in range(3)]
    return pair(pair(parts[0], parts[1]), pair(parts[2], parts[0]))


def shared() -> Future[object]:
    stream = lines.iter(n=2)
    return pair(stream.then(several).join(shown), pair(stream.then(double).then(scale), stream))


def saved() -> Future[object]:
    stream = rows.iter(path="a.csv").save("{path}/{iteration_index:03d}").then(price).save("price_{iteration_index}")
    return stream.reduce(add, initial=0.0, ordered=False).save("sum").then(scale, by=2).save("scaled").save("again")


PIPELINES: dict[str, Future[object]] = {
    "design_example": rows.iter(path="data.csv").then(price).reduce(add, initial=0.0),
    "wide": wide(),
    "shared": shared(),
    "saved": saved(),
    "filters": lines.iter(n=2).filter(long, least=3).then(double).save("{iteration_index}").filter(odd).join(shown),
    "takes": pair(
        rows.iter(path="a").then(price).take(9).filter(odd).take(2).reduce(add, initial=0.0),
        pair(shared_lines.take(3), double.map(x=shared_lines).take(4)),
    ),
    "operations": lines.iter(n=2)
    .save("line_{iteration_index}")
    .skip(1)
    .take_while(long, least=2)
    .then(double)
    .filter(odd)
    .batch(3)
    .save("batch_{n}_{iteration_index}")
    .then(total)
    .window(2, step=2)
    .group_by(shown.partial(after="!"), limit=1000)
    .unbatch()
    .take(5),
    "scanned": rows.iter(path="a")
    .then(price)
    .scan(add, initial=one(n=2))
    .take(3)
    .save("sum_{iteration_index}")
    .join(shown),
    "zipped": lines.iter(n=2).enumerate().distinct().zip(from_iterable(["a", "b"]).then(double)).take(5).join(shown),
    "taken_apart": pair(
        lines.iter(n=2).flat_map(several).then(double).for_each(shown),
        rows.iter_partitions([{"path": "a"}, {"path": "b"}]).then(price).reduce(add, initial=0.0, combine=add),
    ),
    "named_folds": pair(
        from_iterable(range(9)).then(double).filter(odd).sum(start=2),
        pair(lines.iter(n=2).max(key=len, default=""), lines.iter(n=3).batch(2).unbatch().then(double).count()),
    ),
    "retries": fetch.map(url=["a", "b"]).then(fetch).join(shown, after=fetch(url="c")),
    "failures": lines.iter(n=2)
    .attempt(patient)
    .then(scale.with_options(on_error="skip"))
    .filter(odd.with_options(on_error=zero))
    .take(2)
    .join(shown),
    "materialised": total(items=double.map(x=lines(n=2))),
    "parts": rows.iter(path="data.csv")
    .then(price)
    .save("p{iteration_index}")
    .reduce(add, initial=one(n=2), combine=weighed.partial(weight=one(n=1)), empty=0.0),
    "product": minus.map(a=[1, 2, 3, 4], b=range(100), map_mode="product"),
    "values": task(lambda x, fn, many, text: x, name="shows")(
        x=object(), fn=len, many={"a": {1}, "b": (1, 2, 3, 4)}, text="x" * 100
    ),
}
