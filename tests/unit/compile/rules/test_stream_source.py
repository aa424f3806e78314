"""stream_source: a map over a generator runs as a stream."""

from __future__ import annotations

from daglite.compile.rules.stream_source import stream_source
from daglite.compile.saves import attach_saves
from daglite.ir.nodes import Call, CompositeMapTaskNode, IterNode, Link, MapTaskNode
from daglite.ir.walk import same
from tests.samples import Memory, double, minus, odd, pair, rows, scale, shown
from tests.unit.compile.bench import bound, call, check_law, declines, explained, rewritten


def test_map_over_generator_becomes_open_composite() -> None:
    source = IterNode(call(rows.function, *bound(n=2)))
    wanted = CompositeMapTaskNode(source, (Link(call(scale.function, *bound(by=3)), ("x",), ()),), None)

    assert same(rewritten(rows.iter(n=2).then(scale, by=3), stream_source), wanted)


def test_filter_over_generator_becomes_open_composite() -> None:
    source = IterNode(call(rows.function, *bound(n=2)))
    wanted = CompositeMapTaskNode(source, (Link(call(odd.function, *bound(by=3)), ("x",), (), filters=True),), None)

    assert same(rewritten(rows.iter(n=2).filter(odd, by=3), stream_source), wanted)


def test_values_of_a_partial_stay_with_their_call() -> None:
    source = IterNode(call(rows.function, *bound(n=2)))
    fixed = Call(scale.function, bound(by=3), ())
    wanted = CompositeMapTaskNode(source, (Link(fixed, ("x",), ()),), None)

    assert same(rewritten(scale.partial(by=3).map(x=rows.iter(n=2)), stream_source), wanted)


def test_map_form_gives_the_same_composite() -> None:
    fluent = rewritten(rows.iter(n=2).then(double), stream_source)

    assert same(rewritten(double.map(x=rows.iter(n=2)), stream_source), fluent)


def test_saves_of_both_nodes_go_along() -> None:
    store = Memory()
    stream = rows.iter(n=2).save("in_{iteration_index}", save_store=store)
    mapped = stream.then(double).save("out_{iteration_index}", save_store=store)
    composite = rewritten(mapped, stream_source)

    assert isinstance(composite, CompositeMapTaskNode)
    assert isinstance(composite.source, IterNode)
    assert [save.key.text for save in composite.source.saves] == ["in_{iteration_index}"]
    assert [save.key.text for save in composite.links[0].saves] == ["out_{iteration_index}"]


def test_stream_with_two_consumers_stays() -> None:
    """Absorbed twice, the generator would run twice."""
    stream = rows.iter(n=2)

    assert declines(stream_source, pair(stream.then(double), stream.then(double)).node)
    assert declines(stream_source, pair(stream.then(double), stream).node)
    assert declines(stream_source, stream.then(minus, b=stream).node)
    assert declines(stream_source, pair(stream.filter(odd), stream).node)
    assert declines(stream_source, stream.filter(odd, by=stream).node)


def test_save_is_no_second_consumer() -> None:
    stream = rows.iter(n=2)
    graph = attach_saves(pair(stream.then(double), stream.save("k_{iteration_index}")).node)

    assert declines(stream_source, graph), "the saved stream is read by `pair` as well"
    assert not declines(stream_source, attach_saves(stream.save("k_{iteration_index}").then(double).node))


def test_map_over_something_else_stays() -> None:
    assert declines(stream_source, double.map(x=[1, 2]).node)
    assert declines(stream_source, double.map(x=rows(n=2)).node)
    assert declines(stream_source, double.map(x=[1]).then(double).node)
    assert declines(stream_source, rows.iter(n=2).join(shown).node)


def test_stream_among_several_sources_stays() -> None:
    """Check refuses such a graph; the rule must not take one source and lose the other."""
    source = rows.iter(n=2).node

    assert declines(stream_source, MapTaskNode(call(minus.function), bound(a=source, b=[1, 2]), "zip"))


def test_law_map_of_generator_is_map_of_its_list() -> None:
    stream = rows.iter(n=4).save("{n}_{iteration_index}").then(scale, by=3).save("by_{by}_{iteration_index}")

    check_law(stream_source, stream, [0, 3, 6, 9])
    check_law(stream_source, rows.iter(n=0).then(double), [])


def test_explain() -> None:
    explained("stream_source", double.map(x=rows.iter(n=2)))
