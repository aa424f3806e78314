"""stream_collect: a stream that nothing continues is collected as it flows."""

from __future__ import annotations

from daglite import compile
from daglite.compile.rules import RULES
from daglite.compile.rules.stream_collect import stream_collect
from daglite.compile.rules.stream_source import stream_source
from daglite.ir.nodes import Collect, CompositeMapTaskNode, IterNode, Link, Mapped, TaskNode
from daglite.ir.walk import same
from tests.samples import double, minus, one, pair, rows, total
from tests.unit.compile.bench import bound, call, check_law, declines, explained, rewritten


def test_generator_is_collected() -> None:
    source = IterNode(call(rows.function, *bound(n=2)))

    assert same(rewritten(rows.iter(n=2), stream_collect), CompositeMapTaskNode(source, (), Collect()))


def test_map_is_collected() -> None:
    links = (Link(call(minus.function), ("a", "b"), ()),)
    wanted = CompositeMapTaskNode(Mapped(bound(a=[1, 2], b=[3, 4]), "product"), links, Collect())

    assert same(rewritten(minus.map(a=[1, 2], b=[3, 4], map_mode="product"), stream_collect), wanted)


def test_open_composite_is_collected() -> None:
    source = IterNode(call(rows.function, *bound(n=2)))
    wanted = CompositeMapTaskNode(source, (Link(call(double.function), ("x",), ()),), Collect())

    assert same(rewritten(rows.iter(n=2).then(double), stream_source, stream_collect), wanted)


def test_stream_with_two_consumers_ends_once_as_a_list_they_share() -> None:
    stream = rows.iter(n=2)
    shared = CompositeMapTaskNode(IterNode(call(rows.function, *bound(n=2))), (), Collect())
    wanted = TaskNode(call(pair.function, *bound(a=shared, b=shared)))

    assert same(rewritten(pair(stream, stream), stream_collect), wanted)


def test_what_is_no_stream_stays() -> None:
    ended = rewritten(rows.iter(n=2), stream_collect)

    assert declines(stream_collect, ended)
    assert declines(stream_collect, one(n=1).node)
    assert declines(stream_collect, rows(n=1).node)


def test_it_is_tried_after_the_other_stream_rules() -> None:
    """It would take from them what they could absorb."""
    names = [rule.__name__ for rule in RULES]

    assert {"stream_source", "fuse_maps", "stream_reduce", "stream_join"} <= set(names[: names.index("stream_collect")])


def test_law_list_of_stream_is_its_items_in_order() -> None:
    check_law(stream_collect, rows.iter(n=3).save("{iteration_index}"), [0, 1, 2])
    check_law(stream_collect, rows.iter(n=3).then(double), [0, 2, 4])
    stream = rows.iter(n=3)
    check_law(stream_collect, pair(stream.then(double), stream), ([0, 2, 4], [0, 1, 2]))


def test_explain() -> None:
    stream = rows.iter(n=4)
    explained("stream_collect", pair(stream.then(double), total(items=stream)))


def test_shared_stream_is_told() -> None:
    stream = rows.iter(n=4)
    text = compile(pair(stream, stream)).explain()

    assert "not fused: iter rows -> collect: shared by 2, materialised" in text
