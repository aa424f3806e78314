"""stream_join: the list that a join needs is collected where the join runs."""

from __future__ import annotations

from daglite.compile.rules.stream_collect import stream_collect
from daglite.compile.rules.stream_join import stream_join
from daglite.compile.rules.stream_source import stream_source
from daglite.ir.nodes import CompositeMapTaskNode, IterNode, Join, JoinNode, Link, Mapped
from daglite.ir.walk import same
from tests.samples import Memory, double, one, pair, rows, shown, total
from tests.unit.compile.bench import bound, call, check_law, declines, explained, rewritten


def test_join_of_generator_ends_its_stream() -> None:
    source = IterNode(call(rows.function, *bound(n=2)))
    wanted = CompositeMapTaskNode(source, (), Join(call(shown.function, *bound(after="!")), ("items",), ()))

    assert same(rewritten(rows.iter(n=2).join(shown, after="!"), stream_join), wanted)


def test_join_of_map_ends_its_stream() -> None:
    links = (Link(call(double.function), ("x",), ()),)
    wanted = CompositeMapTaskNode(Mapped(bound(x=[1]), "zip"), links, Join(call(total.function), ("items",), ()))

    assert same(rewritten(double.map(x=[1]).join(total), stream_join), wanted)


def test_join_of_open_composite_is_its_ending() -> None:
    source = IterNode(call(rows.function, *bound(n=2)))
    links = (Link(call(double.function), ("x",), ()),)
    wanted = CompositeMapTaskNode(source, links, Join(call(total.function), ("items",), ()))

    assert same(rewritten(rows.iter(n=2).then(double).join(total), stream_source, stream_join), wanted)


def test_save_of_the_result_goes_along() -> None:
    composite = rewritten(rows.iter(n=2).join(total).save("sum", save_store=Memory()), stream_join)

    assert isinstance(composite, CompositeMapTaskNode)
    assert isinstance(composite.sink, Join)
    assert [save.key.text for save in composite.sink.saves] == ["sum"]


def test_items_with_two_consumers_stay() -> None:
    stream = rows.iter(n=2)

    assert declines(stream_join, pair(stream.join(total), stream.join(total)).node)
    assert declines(stream_join, pair(stream.join(total), stream).node)


def test_items_that_are_an_argument_of_the_join_as_well_stay() -> None:
    stream = rows.iter(n=2)

    assert declines(stream_join, stream.join(pair, b=stream).node)
    assert declines(stream_join, stream.join(pair.partial(b=stream)).node)


def test_join_with_an_option_that_needs_a_worker_stays() -> None:
    """A time limit can be kept, and a crash survived, only where the coordinator is not."""
    assert declines(stream_join, rows.iter(n=2).join(total.with_options(timeout=60)).node)
    assert declines(stream_join, rows.iter(n=2).join(total.with_options(retry_on_crash=False)).node)


def test_ended_stream_and_other_nodes_stay() -> None:
    ended = rewritten(rows.iter(n=2), stream_collect)

    assert declines(stream_join, JoinNode(call(total.function), ended, ("items",)))
    assert declines(stream_join, rows.iter(n=2).then(double).node)
    assert declines(stream_join, total(items=rows.iter(n=2)).node)


def test_law_join_is_call_with_the_list() -> None:
    check_law(stream_join, rows.iter(n=3).save("{iteration_index}").join(shown, after="!").save("j"), "[0, 1, 2]!")
    check_law(stream_join, double.map(x=[1, 2]).join(pair, b=one(n=5)), ([2, 4], 5))
    check_law(stream_join, rows.iter(n=0).join(total), 0)


def test_explain() -> None:
    explained("stream_join", rows.iter(n=4).then(double).join(shown, after="!"))
