"""Random pipelines with their expected values, for tests of code that takes a pipeline, a plan or a run.

Tasks are small and pure, items are whole numbers. The expected values are computed on lists, without the pipeline.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, NamedTuple, TypeAlias, cast

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from typing_extensions import TypeVar

from daglite.futures import Future, IterFuture, MapTaskFuture, from_iterable
from daglite.operations import OPERATIONS, OperationKind, spec_of
from daglite.operations.spec import Drawn, ItemTypes
from daglite.tasks import task

R = TypeVar("R")
F = TypeVar("F", bound=Future[object], default=Future[R])

Stream: TypeAlias = IterFuture[int] | MapTaskFuture[int]


@dataclass(frozen=True)
class DrawnPipeline(Generic[R, F]):
    """A drawn pipeline: the `future` to compile and run, the `expected` value of its run, and its `text` as code."""

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
def number(outputs: object) -> int:
    """Return a whole number for what an operation has made of whole numbers."""
    return outputs if isinstance(outputs, int) else _number_of(outputs)


@task
def add(total: int, x: int) -> int:
    return total + x


@task
def append(found: list[int], x: int) -> list[int]:
    return [*found, x]


@task
def largest(xs: list[int], at_least: int = 0) -> int:
    return max([at_least, *xs])


@task
def pair(a: object, b: object) -> tuple[object, object]:
    return a, b


def _number_of(outputs: Any) -> int:
    return sum(place * number.fn(held) for place, held in enumerate(outputs, 1))


_SMALL = st.integers(-9, 9)
_FACTORS = st.integers(1, 4)


def streams(*, most: int = 8) -> SearchStrategy[DrawnPipeline[list[int], Stream]]:
    """Return a strategy for streams of at most `most` whole numbers, to which you can add tasks of your own.

    >>> from hypothesis import given
    >>> @given(streams())
    ... def test_a_list_of_all_is_what_runs_give(stream: DrawnPipeline[list[int], Stream]) -> None:
    ...     assert stream.future.run(runtime="inline") == stream.expected
    >>> test_a_list_of_all_is_what_runs_give()
    """
    return _streams(most).map(lambda drawn: DrawnPipeline(drawn.future, drawn.items, drawn.text))


@st.composite
def pipelines(draw: DrawFn, *, most: int = 8) -> DrawnPipeline[object]:
    """Draw a pipeline of any kind: a stream, a fold, a join, a call, or two folds of one stream.

    No stream has more than `most` items.

    >>> from hypothesis import given
    >>> @given(pipelines())
    ... def test_the_optimizer_changes_nothing(drawn: DrawnPipeline[object]) -> None:
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
    """A stream, its items and its text; `taken`: an unordered fold could see other items than those of `.take`."""

    future: Stream
    items: list[int]
    text: str
    taken: bool = False

    def step(self, future: Stream, items: list[int], call: str) -> _DrawnStream:
        """Return the stream with a further step, written as `call`."""
        return _DrawnStream(future, items, f"{self.text}.{call}", self.taken)

    def end(self, future: Future[R], expected: R, call: str) -> DrawnPipeline[object]:
        """Return the pipeline with a last step, written as `call`."""
        return DrawnPipeline(future, expected, f"{self.text}.{call}")


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
    return flow.step(flow.future.then(plus, by=by), [x + by for x in flow.items], f"then(plus, {by=})")


def _scaled(flow: _DrawnStream, draw: DrawFn) -> _DrawnStream:
    by = draw(_FACTORS)
    future = flow.future.then(times.partial(by=by))
    return flow.step(future, [x * by for x in flow.items], f"then(times.partial({by=}))")


def _filtered(flow: _DrawnStream, draw: DrawFn) -> _DrawnStream:
    by = draw(_FACTORS)
    items = [x for x in flow.items if x % by == 0]
    return flow.step(flow.future.filter(divides, by=by), items, f"filter(divides, {by=})")


def _spread(flow: _DrawnStream, draw: DrawFn) -> _DrawnStream:
    most = draw(st.integers(0, 2))
    items = [each for x in flow.items for each in range(min(x, most))]
    return flow.step(flow.future.flat_map(up_to, most=most), items, f"flat_map(up_to, {most=})")


def _operated(kind: OperationKind) -> _Step:
    """Return the step that draws an operation; outputs that are not whole numbers are converted to such."""
    spec = spec_of(kind)
    plain = spec.output(ItemTypes(int, int, int, lambda _: int)) is int

    def step(flow: _DrawnStream, draw: DrawFn) -> _DrawnStream:
        future: Any = flow.future
        items: Iterable[Any] = flow.items
        text = flow.text
        if spec.expands:
            n = draw(st.integers(1, 4))
            future, items, text = future.batch(n), spec_of("batch").meaning(items, n), f"{text}.batch({n})"
        arguments = [_argument(drawn, draw) for drawn in spec.draws]
        given = [argument.given for argument in arguments if not argument.name]
        named = {argument.name: argument.given for argument in arguments if argument.name}
        future = getattr(future, kind)(*given, **named)
        outputs = cast("Iterable[int]", spec.meaning(items, *(argument.meant for argument in arguments)))
        text = f"{text}.{kind}({', '.join(argument.text for argument in arguments)})"
        if not plain:
            future, outputs, text = future.then(number), map(number.fn, outputs), f"{text}.then(number)"
        # An operation sees the items of a `.take` before it in order; `.batch(n).unbatch()` is optimised away.
        taken = kind == "take" or (flow.taken and spec.any_order)
        return _DrawnStream(future, [*outputs], text, taken)

    return step


class _Argument(NamedTuple):
    """An argument of an operation: for its method (`given`), for its meaning (`meant`), as text, with a name if any."""

    given: object
    meant: object
    text: str
    name: str = ""


def _argument(drawn: Drawn, draw: DrawFn) -> _Argument:
    match drawn:
        case range():
            n = draw(st.sampled_from(drawn))
            return _Argument(n, n, str(n))
        case "predicate":
            by = draw(_FACTORS)
            return _Argument(divides.partial(by=by), partial(divides.fn, by=by), f"divides.partial({by=})")
        case "stream":
            other = draw(_sources(8))
            other = _then(other, draw) if draw(st.booleans()) else other
            return _Argument(other.future, other.items, other.text)
        case "fold":
            return _Argument(add, add.fn, "add")
        case "initial":
            initial = draw(_SMALL)
            return _Argument(initial, initial, f"{initial=}", name="initial")


_Step: TypeAlias = Callable[[_DrawnStream, DrawFn], _DrawnStream]
_STEPS: tuple[_Step, ...] = (_then, _then, _scaled, _filtered, _spread, *map(_operated, OPERATIONS))


@st.composite
def _ends(draw: DrawFn, flow: _DrawnStream) -> DrawnPipeline[object]:
    future, items, initial = flow.future, flow.items, draw(_SMALL)
    kinds = ["add", "combine", "append", "join", "sum", "count", "min", "max", "for_each"]
    match draw(st.sampled_from(kinds if flow.taken else [*kinds, *["unordered"] * 3])):
        case "sum":
            return flow.end(future.sum(initial), sum(items, initial), f"sum({initial})")
        case "count":
            return flow.end(future.count(), len(items), "count()")
        case "min":
            return flow.end(future.min(default=initial), min(items, default=initial), f"min(default={initial})")
        case "max":
            return flow.end(future.max(default=initial), max(items, default=initial), f"max(default={initial})")
        case "for_each":
            return flow.end(future.for_each(plus), len(items), "for_each(plus)")
        case "append":
            return flow.end(future.reduce(append, initial=[0]), [0, *items], "reduce(append, initial=[0])")
        case "join":
            return _joined(flow, initial)
        case "add":
            folded, option = future.reduce(add, initial=initial), ""
        case "combine":
            folded, option = future.reduce(add, initial=initial, combine=add), ", combine=add"
        case _:
            folded, option = future.reduce(add, initial=initial, ordered=False), ", ordered=False"
    return flow.end(folded, sum(items, initial), f"reduce(add, {initial=}{option})")


def _joined(flow: _DrawnStream, least: int) -> DrawnPipeline[object]:
    expected = max([least, *flow.items])
    return flow.end(flow.future.join(largest, at_least=least), expected, f"join(largest, at_least={least})")
