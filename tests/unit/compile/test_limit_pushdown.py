"""push_limits: where a take ends up, and what it leaves alone."""

from __future__ import annotations

import pytest

from daglite.compile.driver import prepared
from daglite.compile.limit_pushdown import push_limits
from daglite.exceptions import ParameterError
from daglite.futures import Items
from daglite.ir.nodes import FilterNode, IterNode, MapTaskNode, OperationNode, TakeNode
from daglite.ir.walk import postorder, same
from tests.samples import double, odd, one, pair, rows, total
from tests.unit.compile.bench import bound, call


def test_take_goes_down_to_the_generator() -> None:
    source = IterNode(call(rows.function, *bound(n=9)), limit=3)
    wanted = MapTaskNode(
        call(double.function), bound(x=MapTaskNode(call(double.function), bound(x=source), "zip")), "zip"
    )

    assert same(push_limits(rows.iter(n=9).then(double).then(double).take(3).node), wanted)
    assert same(push_limits(rows.iter(n=9).take(4).then(double).take(5).then(double).take(3).node), wanted)


def test_take_goes_down_to_mapped_values() -> None:
    assert same(
        push_limits(double.map(x=[1, 2]).take(1).node),
        MapTaskNode(call(double.function), bound(x=[1, 2]), "zip", (), 1),
    )
    listed = push_limits(double.map(x=rows(n=3)).then(double).take(1).node)

    assert [node.limit for node in postorder(listed) if isinstance(node, MapTaskNode)] == [1, None]


def test_take_stops_at_a_filter() -> None:
    graph = push_limits(rows.iter(n=9).filter(odd).then(double).take(2).node)
    source, sieve, last = postorder(graph)

    assert isinstance(source, IterNode)
    assert isinstance(sieve, FilterNode)
    assert isinstance(last, MapTaskNode)
    assert (source.limit, sieve.max_results, last.limit) == (None, 2, None)


def test_taking_nothing_goes_through_a_filter() -> None:
    source, sieve = postorder(push_limits(rows.iter(n=9).filter(odd).take(0).node))

    assert isinstance(source, IterNode)
    assert isinstance(sieve, FilterNode)
    assert (source.limit, sieve.max_results) == (0, 0)


def test_take_of_a_shared_stream_stays() -> None:
    stream = rows.iter(n=9).then(double)
    graph = push_limits(pair(stream.take(4).take(2), stream).node)

    assert [node.count for node in postorder(graph) if isinstance(node, TakeNode)] == [2]
    assert push_limits(graph) is graph


def test_saves_move_to_what_is_taken_from() -> None:
    graph = prepared(rows.iter(n=9).save("a{iteration_index}").take(2).save("b{iteration_index}").node)

    assert isinstance(graph, IterNode)
    assert [save.key.text for save in graph.saves] == ["a{iteration_index}", "b{iteration_index}"]


def test_save_of_the_head_of_a_shared_stream_is_refused() -> None:
    stream = rows.iter(n=9)
    for head in (stream.take(2).save("h{iteration_index}"), stream.take(3).take(2).save("h{iteration_index}")):
        with pytest.raises(
            ParameterError, match=r"^the key 'h\{iteration_index\}' is for the head of a stream that others"
        ):
            prepared(pair(head, stream).node)


def test_graph_without_takes_is_left_alone() -> None:
    node = pair(rows.iter(n=9).then(double), one(n=1)).node

    assert push_limits(node) is node


@pytest.mark.parametrize(
    ("stream", "limit"),
    [
        (rows.iter(n=9).enumerate(), 2),
        (rows.iter(n=9).batch(3), 6),
        (rows.iter(n=9).window(3, step=2), 5),
        (rows.iter(n=9).skip(3), 5),
        (rows.iter(n=9).zip(rows.iter(n=3)), 2),
        (rows.iter(n=9).then(double).batch(2).then(total).skip(1), 6),
    ],
)
def test_take_goes_down_through_operations_that_make_so_many_of_so_many(stream: Items[object], limit: int) -> None:
    graph = push_limits(stream.take(2).node)

    assert next(node.limit for node in postorder(graph) if isinstance(node, IterNode)) == limit
    assert not [node for node in postorder(graph) if isinstance(node, OperationNode) and node.max_results is not None]


@pytest.mark.parametrize("method", ["distinct", "unbatch"])
def test_take_stops_at_an_operation_that_needs_nobody_knows_how_many(method: str) -> None:
    source, batch, last = postorder(push_limits(getattr(rows.iter(n=9).batch(2), method)().take(2).node))

    assert isinstance(source, IterNode)
    assert isinstance(batch, OperationNode)
    assert isinstance(last, OperationNode)
    assert (source.limit, batch.max_results, last.max_results) == (None, None, 2)


@pytest.mark.parametrize("method", ["batch", "skip", "window"])
def test_taking_nothing_goes_through_every_operation(method: str) -> None:
    for stream in (getattr(rows.iter(n=9), method)(3), rows.iter(n=9).batch(2).unbatch()):
        source, *_ = postorder(push_limits(stream.take(0).node))
        assert isinstance(source, IterNode)
        assert source.limit == 0


def test_take_behind_an_operation_on_a_shared_stream_stays_there() -> None:
    stream = rows.iter(n=9).then(double)
    graph = push_limits(pair(stream.batch(2).take(1), stream).node)

    assert [node.max_results for node in postorder(graph) if isinstance(node, OperationNode)] == [1]


def test_saves_move_to_the_operation() -> None:
    stream = rows.iter(n=9).batch(2).save("a{iteration_index}").take(2).save("b{iteration_index}")
    graph = prepared(stream.node)

    assert isinstance(graph, OperationNode)
    assert [save.key.text for save in graph.saves] == ["a{iteration_index}", "b{iteration_index}"]
