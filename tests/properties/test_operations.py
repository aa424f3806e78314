"""Laws of operations: each is what its meaning says of the list of the items, and some of them undo each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from hypothesis import given, settings, strategies as st

import daglite
from daglite import task
from daglite.operations import OperationKind, spec_of
from daglite.options import RuntimeName
from tests.properties.build import build
from tests.properties.describe import Graph
from tests.properties.draw import graphs
from tests.properties.functions import checksum, echo
from tests.properties.trial import EXAMPLES, Recorder

SOME = settings(max_examples=3 * EXAMPLES)
STREAMS = graphs(stream=True, failures=False)
COMPILING: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries({"optimize": st.sampled_from((True, True, False))})
NUMBERS = st.integers(1, 4)
CALLS: st.SearchStrategy[tuple[OperationKind, dict[str, int]]] = st.one_of(
    st.tuples(st.sampled_from(("batch", "skip", "take")), st.fixed_dictionaries({"n": NUMBERS})),
    st.tuples(st.just("window"), st.fixed_dictionaries({"n": NUMBERS, "step": NUMBERS})),
    st.tuples(st.sampled_from(("distinct", "enumerate", "group_by", "scan", "take_while")), st.just({})),
)


def remainder(x: object) -> int:
    return checksum(x) % 3


def chained(acc: object, x: object) -> int:
    return checksum((acc, x))


def stream_of(graph: Graph) -> Any:
    return build(graph, {"own": Recorder(), "run": Recorder()})


def result(stream: Any, compiling: dict[str, Any], runtime: RuntimeName = "inline") -> object:
    return daglite.compile(stream, **compiling).run(runtime=runtime, workers=2)


@SOME
@given(
    st.lists(st.integers(0, 9), max_size=12),
    st.lists(CALLS, min_size=1, max_size=2),
    COMPILING,
    st.sampled_from((None, "inline", "threads", "threads")),
)
def test_law_18_operations_are_what_they_mean(
    items: list[int],
    calls: list[tuple[OperationKind, dict[str, int]]],
    compiling: dict[str, Any],
    behind: RuntimeName | None,
) -> None:
    """One or two of them, beside the source or `behind` a task, which runs here or on threads."""
    made: Any = daglite.from_iterable(items)
    if behind is not None:
        made = made.then(task(echo))
    meant: Iterable[object] = items
    for kind, numbers in calls:
        made, meant = applied(made, meant, kind, numbers)

    assert result(made, compiling, behind or "inline") == list(meant)


@SOME
@given(STREAMS, CALLS, COMPILING)
def test_law_18_an_operation_is_what_it_means(
    graph: Graph, call: tuple[OperationKind, dict[str, int]], compiling: dict[str, Any]
) -> None:
    """`s.batch(n)` and its like give what `daglite.operations` says of the list of the items."""
    stream = stream_of(graph)
    made, meant = applied(stream, stream.run(runtime="inline"), *call)

    assert repr(result(made, compiling)) == repr(list(meant))


def applied(
    stream: Any, items: Iterable[object], kind: OperationKind, numbers: dict[str, int]
) -> tuple[Any, Iterable[object]]:
    """An operation on a stream, and what it means of its items."""
    if kind == "scan":
        return stream.scan(task(chained), initial=7), spec_of(kind).meaning(items, chained, 7)
    asks: list[Callable[..., object]] = [remainder] if kind in ("distinct", "group_by", "take_while") else []
    given_numbers = dict(numbers)
    first = [given_numbers.pop("n")] if "n" in numbers else []
    made = getattr(stream, kind)(*map(task, asks), *first, **given_numbers)
    return made, spec_of(kind).meaning(items, *asks, **numbers)


@SOME
@given(STREAMS, NUMBERS, COMPILING)
def test_law_18_batches_taken_apart_are_the_stream(graph: Graph, n: int, compiling: dict[str, Any]) -> None:
    """`s.batch(n).unbatch()` gives `list of s`."""
    stream = stream_of(graph)

    assert repr(result(stream.batch(n).unbatch(), compiling)) == repr(stream.run(runtime="inline"))


@SOME
@given(STREAMS, STREAMS, COMPILING)
def test_law_18_streams_side_by_side_are_pairs(left: Graph, right: Graph, compiling: dict[str, Any]) -> None:
    """`s.zip(t)` gives `list(zip(s, t))`, up to the end of the shorter one."""
    one, other = stream_of(left), stream_of(right)
    wanted = list(zip(one.run(runtime="inline"), other.run(runtime="inline"), strict=False))

    assert repr(result(one.zip(other), compiling)) == repr(wanted)


@SOME
@given(STREAMS, NUMBERS, COMPILING)
def test_law_18_head_and_rest_are_the_stream(graph: Graph, n: int, compiling: dict[str, Any]) -> None:
    """`s.take(n)` and `s.skip(n)` together are `s`."""
    stream = stream_of(graph)
    head, rest = result(stream.take(n), compiling), result(stream.skip(n), compiling)
    assert isinstance(head, list)
    assert isinstance(rest, list)

    assert repr(head + rest) == repr(stream.run(runtime="inline"))
