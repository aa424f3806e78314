"""Random pipelines with what they must give: for tests of whatever takes a pipeline, a plan or a run.

Their tasks are small and pure, their items whole numbers. What they must give is worked out on lists, beside the
pipeline and without it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeAlias

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from typing_extensions import TypeVar

from daglite.futures import Future, IterFuture, MapTaskFuture, from_iterable
from daglite.tasks import task

R = TypeVar("R")
F = TypeVar("F", bound=Future[object], default=Future[R])

Stream: TypeAlias = IterFuture[int] | MapTaskFuture[int]


@dataclass(frozen=True)
class DrawnPipeline(Generic[R, F]):
    """A drawn pipeline: the `future` to compile and run, the value it must give, and how it is written."""

    future: F
    expected: R
    text: str

    def __repr__(self) -> str:
        return self.text


@task
def count(n: int, start: int = 0) -> Iterator[int]:
    yield from range(start, start + n)


@task
def each(items: Sequence[int]) -> Iterator[int]:
    yield from items


@task
def plus(x: int, by: int = 1) -> int:
    return x + by


@task
def times(x: int, by: int) -> int:
    return x * by


@task
def divides(x: int, by: int = 2) -> bool:
    return x % by == 0


@task
def up_to(x: int, most: int = 2) -> Iterator[int]:
    yield from range(min(x, most))


@task
def difference(both: tuple[int, int]) -> int:
    return both[0] - both[1]


@task
def size(group: tuple[bool, list[int]]) -> int:
    return len(group[1])


@task
def add(total: int, x: int) -> int:
    return total + x


@task
def append(found: list[int], x: int) -> list[int]:
    return [*found, x]


@task
def total(xs: list[int]) -> int:
    return sum(xs)


@task
def largest(xs: list[int], at_least: int = 0) -> int:
    return max([at_least, *xs])


@task
def pair(a: object, b: object) -> tuple[object, object]:
    return a, b


_SMALL = st.integers(-9, 9)
_FACTORS = st.integers(1, 4)


def streams(*, most: int = 8) -> SearchStrategy[DrawnPipeline[list[int], Stream]]:
    """Streams of whole numbers, of at most so many items, to hang tasks of your own on.

    >>> from hypothesis import given
    >>> @given(streams())
    ... def test_a_list_of_all_is_what_runs_give(stream: Drawn[list[int], Stream]) -> None:
    ...     assert stream.future.run(runtime="inline") == stream.expected
    >>> test_a_list_of_all_is_what_runs_give()
    """
    return _streams(most).map(lambda drawn: DrawnPipeline(drawn.future, drawn.items, drawn.text))


@st.composite
def pipelines(draw: DrawFn, *, most: int = 8) -> DrawnPipeline[object]:
    """Pipelines of every kind: streams, folds, joins, calls, and some in which a stream is read twice.

    No stream has more than `most` items.

    >>> from hypothesis import given
    >>> @given(pipelines())
    ... def test_the_optimizer_changes_nothing(drawn: Drawn[object]) -> None:
    ...     assert drawn.future.run(runtime="inline") == drawn.expected
    >>> test_the_optimizer_changes_nothing()
    """
    stream = draw(_streams(most))
    end = draw(st.sampled_from(["items", "fold", "fold", "join", "both", "call"]))
    if end == "items":
        return DrawnPipeline(stream.future, stream.items, stream.text)
    if end == "call":
        by = draw(_SMALL)
        return DrawnPipeline(plus(x=by).then(times, by=by), (by + 1) * by, f"plus(x={by}).then(times, by={by})")
    if end != "both":
        return _joined(stream, draw(_SMALL)) if end == "join" else draw(_ends(stream))
    one = draw(_ends(replace(stream, text=f"(s := {stream.text})")))
    other = draw(_ends(replace(stream, text="s")))
    text = f"pair(a={one.text}, b={other.text})"
    return DrawnPipeline(pair(a=one.future, b=other.future), (one.expected, other.expected), text)


@dataclass(frozen=True)
class _DrawnStream:
    """A stream in the making; `taken`: an unordered ending would see any of its items. Operations see them in order."""

    future: Stream
    items: list[int]
    text: str
    taken: bool = False


@st.composite
def _streams(draw: DrawFn, most: int) -> _DrawnStream:
    flow = draw(_sources(most))
    for _ in range(draw(st.integers(0, 4))):
        longer = draw(st.sampled_from(_STEPS))(flow, draw)
        flow = longer if len(longer.items) <= most else flow
    return flow


@st.composite
def _sources(draw: DrawFn, most: int) -> _DrawnStream:
    items = draw(st.lists(_SMALL, max_size=most))
    match draw(st.sampled_from(["count", "each", "partial", "map", "given", "parts"])):
        case "count":
            n, start = len(items), draw(_SMALL)
            return _DrawnStream(count.iter(n=n, start=start), [*range(start, start + n)], f"count.iter({n=}, {start=})")
        case "each":
            return _DrawnStream(each.iter(items=items), items, f"each.iter({items=})")
        case "partial":
            return _DrawnStream(each.partial(items=items).iter(), items, f"each.partial({items=}).iter()")
        case "given":
            return _DrawnStream(from_iterable(items), items, f"from_iterable({items})")
        case "parts":
            parts = [{"items": items[:2]}, {"items": items[2:]}]
            return _DrawnStream(each.iter_partitions(parts), items, f"each.iter_partitions({parts})")
        case _:
            return _DrawnStream(plus.map(x=items), [x + 1 for x in items], f"plus.map(x={items})")


def _then(flow: _DrawnStream, draw: DrawFn) -> _DrawnStream:
    by = draw(_SMALL)
    return _DrawnStream(
        flow.future.then(plus, by=by), [x + by for x in flow.items], f"{flow.text}.then(plus, {by=})", flow.taken
    )


def _scaled(flow: _DrawnStream, draw: DrawFn) -> _DrawnStream:
    by = draw(_FACTORS)
    text = f"{flow.text}.then(times.partial({by=}))"
    return _DrawnStream(flow.future.then(times.partial(by=by)), [x * by for x in flow.items], text, flow.taken)


def _filtered(flow: _DrawnStream, draw: DrawFn) -> _DrawnStream:
    by = draw(_FACTORS)
    left = [x for x in flow.items if x % by == 0]
    return _DrawnStream(flow.future.filter(divides, by=by), left, f"{flow.text}.filter(divides, {by=})", flow.taken)


def _taken(flow: _DrawnStream, draw: DrawFn) -> _DrawnStream:
    n = draw(st.integers(0, 5))
    return _DrawnStream(flow.future.take(n), flow.items[:n], f"{flow.text}.take({n})", taken=True)


def _skipped(flow: _DrawnStream, draw: DrawFn) -> _DrawnStream:
    n = draw(st.integers(0, 3))
    return _DrawnStream(flow.future.skip(n), flow.items[n:], f"{flow.text}.skip({n})", taken=True)


def _spread(flow: _DrawnStream, draw: DrawFn) -> _DrawnStream:
    most = draw(st.integers(0, 2))
    items = [each for x in flow.items for each in range(min(x, most))]
    return _DrawnStream(
        flow.future.flat_map(up_to, most=most), items, f"{flow.text}.flat_map(up_to, {most=})", flow.taken
    )


def _batched(flow: _DrawnStream, draw: DrawFn) -> _DrawnStream:
    n = draw(st.integers(1, 4))
    return _DrawnStream(flow.future.batch(n).unbatch(), flow.items, f"{flow.text}.batch({n}).unbatch()", flow.taken)


def _windows(flow: _DrawnStream, draw: DrawFn) -> _DrawnStream:
    n, step = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    sums = [sum(flow.items[start : start + n]) for start in range(0, len(flow.items) - n + 1, step)]
    return _DrawnStream(
        flow.future.window(n, step).then(total), sums, f"{flow.text}.window({n}, {step}).then(total)", flow.taken
    )


def _groups(flow: _DrawnStream, draw: DrawFn) -> _DrawnStream:
    by = draw(_FACTORS)
    sizes = [len(list(group)) for _, group in itertools.groupby(flow.items, lambda x: x % by == 0)]
    text = f"{flow.text}.group_by(divides.partial({by=})).then(size)"
    return _DrawnStream(flow.future.group_by(divides.partial(by=by)).then(size), sizes, text)


def _numbered(flow: _DrawnStream, _: DrawFn) -> _DrawnStream:
    items = [place - x for place, x in enumerate(flow.items)]
    return _DrawnStream(flow.future.enumerate().then(difference), items, f"{flow.text}.enumerate().then(difference)")


def _while(flow: _DrawnStream, draw: DrawFn) -> _DrawnStream:
    by = draw(_FACTORS)
    items = list(itertools.takewhile(lambda x: x % by == 0, flow.items))
    return _DrawnStream(
        flow.future.take_while(divides, by=by), items, f"{flow.text}.take_while(divides, {by=})", taken=True
    )


def _zipped(flow: _DrawnStream, draw: DrawFn) -> _DrawnStream:
    other = draw(_sources(8))
    other = _then(other, draw) if draw(st.booleans()) else other
    items = [x - y for x, y in zip(flow.items, other.items, strict=False)]
    text = f"{flow.text}.zip({other.text}).then(difference)"
    return _DrawnStream(flow.future.zip(other.future).then(difference), items, text)


def _distinct(flow: _DrawnStream, _: DrawFn) -> _DrawnStream:
    return _DrawnStream(flow.future.distinct(), [*dict.fromkeys(flow.items)], f"{flow.text}.distinct()", flow.taken)


_STEPS = (
    _then, _then, _scaled, _filtered, _taken, _skipped, _spread, _batched, _distinct, _windows, _groups, _numbered,
    _while, _zipped,
)  # fmt: skip


@st.composite
def _ends(draw: DrawFn, flow: _DrawnStream) -> DrawnPipeline[object]:
    initial = draw(_SMALL)
    kinds = [
        "add",
        "parts",
        "append",
        "join",
        "sum",
        "count",
        "min",
        "max",
        "for_each",
        *([] if flow.taken else ["unordered"] * 3),
    ]
    match draw(st.sampled_from(kinds)):
        case "sum":
            return DrawnPipeline(flow.future.sum(initial), sum(flow.items, initial), f"{flow.text}.sum({initial})")
        case "count":
            return DrawnPipeline(flow.future.count(), len(flow.items), f"{flow.text}.count()")
        case "min":
            least = min(flow.items, default=initial)
            return DrawnPipeline(flow.future.min(default=initial), least, f"{flow.text}.min(default={initial})")
        case "max":
            most = max(flow.items, default=initial)
            return DrawnPipeline(flow.future.max(default=initial), most, f"{flow.text}.max(default={initial})")
        case "for_each":
            return DrawnPipeline(flow.future.for_each(plus), len(flow.items), f"{flow.text}.for_each(plus)")
        case "append":
            listed = flow.future.reduce(append, initial=[0])
            return DrawnPipeline(listed, [0, *flow.items], f"{flow.text}.reduce(append, initial=[0])")
        case "join":
            return _joined(flow, initial)
        case "add":
            folded, how = flow.future.reduce(add, initial=initial), ""
        case "parts":
            folded, how = flow.future.reduce(add, initial=initial, combine=add), ", combine=add"
        case _:
            folded, how = flow.future.reduce(add, initial=initial, ordered=False), ", ordered=False"
    return DrawnPipeline(folded, sum(flow.items, initial), f"{flow.text}.reduce(add, {initial=}{how})")


def _joined(flow: _DrawnStream, least: int) -> DrawnPipeline[object]:
    future = flow.future.join(largest, at_least=least)
    return DrawnPipeline(future, max([least, *flow.items]), f"{flow.text}.join(largest, at_least={least})")
