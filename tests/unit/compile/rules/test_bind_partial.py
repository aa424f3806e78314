"""bind_partial: a partial's fixed values are ordinary bindings."""

from __future__ import annotations

import pytest

from daglite import Future, compile
from daglite.compile.rules.bind_partial import bind_partial
from daglite.compile.rules.stream_source import stream_source
from daglite.ir.nodes import CompositeMapTaskNode, IterNode, JoinNode, MapTaskNode, ReduceNode, TaskNode, Value
from daglite.ir.walk import same
from tests.samples import double, fold, one, rows, scale, shown, weighted
from tests.unit.compile.bench import bound, call, check_law, declines, explained, rewritten


def test_source_gets_fixed_values_before_its_own() -> None:
    wanted = IterNode(call(rows.function, *bound(start=5, n=2)))

    assert same(rewritten(rows.partial(start=5).iter(n=2), bind_partial), wanted)


def test_single_call_gets_fixed_values() -> None:
    wanted = TaskNode(call(scale.function, *bound(by=3, x=2)))

    assert same(rewritten(scale.partial(by=3)(x=2), bind_partial), wanted)


def test_map_and_join_get_fixed_values() -> None:
    source = IterNode(call(rows.function, *bound(n=2)))
    mapped = MapTaskNode(call(scale.function, *bound(by=3)), bound(x=source), "zip")
    joined = JoinNode(call(shown.function, *bound(after="!")), source, ("items",))

    assert same(rewritten(rows.iter(n=2).then(scale.partial(by=3)), bind_partial), mapped)
    assert same(rewritten(rows.iter(n=2).join(shown.partial(after="!")), bind_partial), joined)


def test_fold_gets_fixed_values() -> None:
    source = IterNode(call(rows.function, *bound(n=2)))
    wanted = ReduceNode(call(weighted.function, *bound(by=3)), source, ("acc", "item"), Value(7), True)

    assert same(rewritten(rows.iter(n=2).reduce(weighted.partial(by=3), initial=7), bind_partial), wanted)


def test_fixed_future_stays_one_node() -> None:
    """The value is a node of the graph, read where it was read before."""
    first = one(n=3)
    wanted = IterNode(call(rows.function, *bound(start=TaskNode(call(one.function, *bound(n=3))), n=2)))

    assert same(rewritten(rows.partial(start=first).iter(n=2), bind_partial), wanted)


@pytest.mark.parametrize("pipeline", [one(n=1), rows.iter(n=1), double.map(x=[1]), rows.iter(n=1).join(shown)])
def test_nothing_fixed_is_left_alone(pipeline: Future[object]) -> None:
    assert declines(bind_partial, pipeline.node)


def test_composites_are_left_alone() -> None:
    """Their parts were calls before, and had their turn then."""
    composite = rewritten(rows.partial(start=1).iter(n=2).then(scale.partial(by=3)), stream_source)

    assert isinstance(composite, CompositeMapTaskNode)
    assert declines(bind_partial, composite)


def test_save_not_yet_attached_is_left_alone() -> None:
    assert declines(bind_partial, one(n=1).save("one").node)


@pytest.mark.parametrize(
    ("pipeline", "wanted"),
    [
        (rows.partial(start=5).iter(n=3).then(scale.partial(by=2)), [10, 12, 14]),
        (scale.partial(by=3)(x=2).save("s_{by}"), 6),
        (rows.iter(n=3).save("{n}_{iteration_index}").join(shown.partial(after="!")), "[0, 1, 2]!"),
        (rows.partial(n=3).iter(start=1).reduce(fold.partial(), initial=0), 18),
        (scale.partial(by=one(n=4)).map(x=[1, 2]), [4, 8]),
    ],
)
def test_law_partial_values_are_bindings(pipeline: Future[object], wanted: object) -> None:
    check_law(bind_partial, pipeline, wanted)


def test_partial_and_spelt_out_call_have_one_plan() -> None:
    assert compile(rows.partial(start=1).iter(n=2)) == compile(rows.iter(n=2, start=1))
    assert compile(rows.partial(start=1).iter(n=2), optimize=False) == compile(rows.iter(2, 1), optimize=False)


def test_explain() -> None:
    explained("bind_partial", rows.partial(start=5).partial(n=3).iter().then(scale.partial(by=2)))
