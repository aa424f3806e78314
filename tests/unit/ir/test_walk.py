"""Walks over graphs: order, readers, rebuilding, and when two graphs are the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from daglite import Future, task
from daglite.compile.rewrite import rewrite
from daglite.compile.rules import RULES
from daglite.compile.saves import attach_saves
from daglite.ir.nodes import (
    Binding,
    CompositeMapTaskNode,
    FilterNode,
    IterNode,
    JoinNode,
    MapTaskNode,
    Node,
    ReduceNode,
    SaveNode,
    TakeNode,
    TaskNode,
)
from daglite.ir.text import node_text
from daglite.ir.walk import children, consumers, postorder, rebuild, same, with_children
from daglite.records import replace
from tests.samples import Memory, double, fold, minus, odd, one, pair, rows, scale, shown, total, weighted

SHARED = one(n=1)
STREAM = rows.iter(n=2)
EVERY_KIND: list[Future[object]] = [
    minus(a=SHARED, b=2),
    rows.iter(n=SHARED, start=3),
    minus.map(a=[1], b=rows(n=1)),
    STREAM.reduce(weighted.partial(by=SHARED), initial=one(n=2)),
    STREAM.filter(odd, by=SHARED),
    STREAM.take(2),
    STREAM.join(shown.partial(after=SHARED)),
    STREAM.save("k{iteration_index}"),
]


def names(nodes: list[Node]) -> list[str]:
    return [node_text(node).split()[1] for node in nodes]


def optimised(pipeline: Future[object]) -> Node:
    return rewrite(attach_saves(pipeline.node), RULES)[0]


def test_postorder_lists_each_node_once_children_first() -> None:
    first = one(n=1)
    left = double(x=first)
    graph = minus(a=left, b=scale(x=first, by=left))
    order = postorder(graph.node)

    assert names(order) == ["one", "double", "scale", "minus"]
    assert order[-1] is graph.node
    for at, node in enumerate(order):
        assert all(order.index(child) < at for child in children(node))


def test_children_come_in_data_order_and_as_often_as_read() -> None:
    first, second = one(n=1), one(n=2)
    fixed = pair.partial(a=first)

    assert children(fixed(b=second).node) == [first.node, second.node]
    assert children(pair(a=second, b=second).node) == [second.node, second.node]
    assert children(STREAM.reduce(weighted.partial(by=first), initial=second).node) == [
        STREAM.node,
        first.node,
        second.node,
    ]
    assert children(STREAM.join(shown, after=first).node) == [STREAM.node, first.node]
    assert children(pair.partial(a=first).map(b=STREAM).node) == [STREAM.node, first.node]
    assert children(first.save("k").node) == [first.node]
    assert children(one(n=lambda: first).node) == [], "a future inside something else is a plain value"


def test_parts_of_a_composite_are_looked_into() -> None:
    """Its generator is no child of it, what its generator, links and ending read is."""
    start, by, after = one(n=1), one(n=2), one(n=3)
    composite = optimised(rows.iter(n=2, start=start).then(scale, by=by).join(shown, after=after))

    assert isinstance(composite, CompositeMapTaskNode)
    assert children(composite) == [start.node, by.node, after.node]


def test_children_of_a_chain_are_those_of_its_first_call() -> None:
    left, right = one(n=1), one(n=2)
    chain = optimised(double(x=minus(a=left, b=right)))

    assert children(chain) == [left.node, right.node]


def test_consumers_count_every_reading() -> None:
    first = one(n=1)
    graph = pair(a=minus(a=first, b=first), b=first).node
    counts = {node_text(node): count for node, count in consumers(graph).items()}

    assert counts == {"call one": 3, "call minus": 1, "call pair": 0}


@pytest.mark.parametrize("pipeline", EVERY_KIND, ids=lambda future: type(future.node).__name__)
def test_with_children_gives_back_the_very_node_when_nothing_changes(pipeline: Future[object]) -> None:
    graph = optimised(pipeline)

    assert with_children(pipeline.node, lambda child: child) is pipeline.node
    assert with_children(graph, lambda child: child) is graph


@pytest.mark.parametrize("pipeline", EVERY_KIND, ids=lambda future: type(future.node).__name__)
def test_with_children_replaces_every_child_and_nothing_else(pipeline: Future[object]) -> None:
    node = pipeline.node
    copies = {child: replace(child) for child in children(node)}
    new = with_children(node, copies.__getitem__)

    assert type(new) is type(node)
    assert new is not node
    assert children(new) == [copies[child] for child in children(node)]
    assert same(new, node)


def test_with_children_reaches_into_composites() -> None:
    start, by, after = one(n=1), one(n=2), one(n=3)
    composite = optimised(rows.iter(n=2, start=start).then(scale, by=by).join(shown, after=after))
    other = one(n=4).node
    new = with_children(composite, lambda child: other if child is by.node else child)

    assert children(new) == [start.node, other, after.node]


def test_rebuild_keeps_sharing() -> None:
    first = one(n=1)
    graph = pair(a=double(x=first), b=first).node

    def copied(node: Node, new: Node) -> Node:
        return replace(new)

    new = rebuild(graph, copied)

    assert new is not graph
    assert same(new, graph)
    assert rebuild(graph, lambda node, new: new) is graph


def test_same_call_of_same_function_is_the_same() -> None:
    assert same(scale(x=1, by=2).node, scale(x=1, by=2).node)
    assert same(task(lambda x: x + 1)(x=1).node, task(lambda x: x + 1)(x=1).node)


def test_same_with_sharing_respected() -> None:
    """One value read twice is not two values that look alike, on whichever side, directly or further below."""

    def shared() -> Node:
        first = one(n=1)
        return pair(first, first).node

    def apart() -> Node:
        return pair(one(n=1), one(n=1)).node

    assert same(shared(), shared())
    assert same(apart(), apart())
    assert not same(shared(), apart())
    assert not same(apart(), shared())


def test_same_tells_crossed_sharing() -> None:
    """Both graphs read two nodes twice each, but not in the same places."""

    def crossed(*, swap: bool) -> Node:
        a, b = one(n=1), one(n=1)
        left, right = minus(a=a, b=b), minus(a=b, b=a) if swap else minus(a=a, b=b)
        return pair(left, right).node

    assert same(crossed(swap=True), crossed(swap=True))
    assert not same(crossed(swap=True), crossed(swap=False))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (one(n=1), one(n=2)),
        (one(n=1), one(n=1.0)),
        (one(n=1), one(n=one(n=1))),
        (one(n=1), double(x=1)),
        (scale(x=1), scale(x=1, by=10)),
        (scale.partial(by=2)(x=1), scale(x=1, by=2)),
        (one(n=1), one.with_options(retries=1)(n=1)),
        (one(n=1), one.with_options(name="uno")(n=1)),
        (rows(n=1), rows.iter(n=1)),
        (STREAM.then(minus, b=1), STREAM.then(minus.partial(a=1))),
        (minus.map(a=[1], b=[2]), minus.map(a=[1], b=[2], map_mode="product")),
        (minus.map(a=[1], b=[2]), minus.map(b=[2], a=[1])),
        (STREAM.reduce(fold, initial=0), STREAM.reduce(fold, initial=1)),
        (STREAM.reduce(fold, initial=0), STREAM.reduce(fold, initial=0, ordered=False)),
        (STREAM.join(total), STREAM.join(shown)),
        (STREAM.filter(odd), STREAM.then(odd)),
        (STREAM.take(1), STREAM.take(2)),
        (STREAM.take(1), STREAM),
        (STREAM.filter(odd), STREAM.filter(odd, by=3)),
        (STREAM.filter(odd), STREAM.filter(odd).filter(odd)),
        (one(n=1), one(n=1).save("a")),
        (one(n=1).save("a"), one(n=1).save("b")),
        (one(n=1).save("a"), one(n=1).save("a", save_store=Memory())),
        (task(lambda x: x + 1)(x=1), task(lambda x: x + 2)(x=1)),
    ],
)
def test_different_pipelines_are_not_the_same(left: Future[object], right: Future[object]) -> None:
    assert not same(left.node, right.node)
    assert not same(right.node, left.node)


def test_same_looks_at_saves_and_equal_stores(tmp_path: Path) -> None:
    left = one(n=1).save("a", save_store=tmp_path)
    right = one(n=1).save("a", save_store=tmp_path)

    assert same(left.node, right.node)
    assert not same(left.node, one(n=1).save("a", save_store=tmp_path / "other").node)


def test_same_tells_extra_arguments_apart() -> None:
    @task
    def several(*numbers: int) -> int:
        return sum(numbers)

    assert same(several(1, 2).node, several(1, 2).node)
    assert not same(several(1, 2).node, several(1, 2, 3).node)
    assert not same(several(1, 2).node, several(2, 1).node)


def test_repr_of_a_node_names_its_kind_and_task() -> None:
    assert repr(double(x=one(n=1)).node) == "TaskNode(double)"
    assert repr(STREAM.node) == "IterNode(rows)"
    assert repr(one(n=1).save("k").node) == "<SaveNode>"
    assert repr(optimised(STREAM.then(double))) == "<CompositeMapTaskNode>"


def test_nodes_are_frozen_and_compare_by_identity() -> None:
    node = one(n=1).node

    with pytest.raises(AttributeError, match="cannot assign to field 'saves': TaskNode is frozen"):
        node.saves = ()  # type: ignore[misc,union-attr]
    assert node != one(n=1).node
    assert {node: "found"}[node] == "found"


def test_each_public_call_gives_its_node() -> None:
    found = {type(pipeline.node) for pipeline in EVERY_KIND}

    assert found == {TaskNode, IterNode, MapTaskNode, FilterNode, TakeNode, ReduceNode, JoinNode, SaveNode}
    assert isinstance(Binding("x", one(n=1).node).argument, TaskNode)
