"""attach_saves: a save is something its source does, not a second reader."""

from __future__ import annotations

from daglite import Future, compile
from daglite.compile.saves import attach_saves, saved_node
from daglite.ir.nodes import IterNode, JoinNode, MapTaskNode, Node, ReduceNode, SaveNode, TaskNode
from daglite.ir.walk import consumers, postorder
from tests.samples import Memory, double, fold, one, pair, rows, total


def saves_of(node: Node) -> list[str]:
    assert isinstance(node, TaskNode | IterNode | MapTaskNode | ReduceNode | JoinNode)
    return [save.key.text for save in node.saves]


def test_every_kind_of_node_keeps_its_own_save() -> None:
    stream = rows.iter(n=2).save("i{iteration_index}").then(double).save("m{iteration_index}")
    pipelines: list[tuple[Future[object], list[list[str]]]] = [
        (one(n=1).save("t"), [["t"]]),
        (stream.join(total).save("j"), [["i{iteration_index}"], ["m{iteration_index}"], ["j"]]),
        (stream.reduce(fold, initial=0).save("r"), [["i{iteration_index}"], ["m{iteration_index}"], ["r"]]),
    ]
    for pipeline, wanted in pipelines:
        assert [saves_of(node) for node in postorder(attach_saves(pipeline.node))] == wanted


def test_saves_keep_their_order() -> None:
    twice = one(n=1).save("first").save("second").save("third")

    assert saves_of(attach_saves(twice.node)) == ["first", "second", "third"]


def test_saved_and_unsaved_stream_are_one_node() -> None:
    """One generation, whichever of them is read."""
    stream = rows.iter(n=2)
    graph = attach_saves(pair(stream, stream.save("a{iteration_index}").save("b{iteration_index}")).node)
    source = next(node for node, count in consumers(graph).items() if count == 2)

    assert saves_of(source) == ["a{iteration_index}", "b{iteration_index}"]


def test_branches_of_saves_end_on_one_node() -> None:
    first = one(n=1).save("common")
    graph = attach_saves(pair(first.save("left"), first.save("right")).node)

    assert [saves_of(node) for node in postorder(graph)] == [["common", "left", "right"], []]


def test_no_save_node_is_left() -> None:
    store = Memory()
    value = one(n=1).save("a", save_store=store).then(double).save("b", save_store=store)

    assert not any(isinstance(node, SaveNode) for node in postorder(attach_saves(value.node)))


def test_graph_without_saves_is_the_very_same() -> None:
    graph = pair(rows.iter(n=2).then(double), one(n=1)).node

    assert attach_saves(graph) is graph


def test_saved_node_looks_below_all_saves() -> None:
    value = one(n=1)

    assert saved_node(value.save("a").save("b").node) is value.node
    assert saved_node(value.node) is value.node


def test_saves_are_made_once_each() -> None:
    store = Memory()
    stream = rows.iter(n=2)
    both = pair(stream.then(double), stream.save("k{iteration_index}", save_store=store))

    assert compile(both).run(runtime="inline") == ([0, 2], [0, 1])
    assert store.saved == [("k0", 0), ("k1", 1)]
