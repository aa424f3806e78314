"""rewrite: rules over a graph, bottom up, until nothing changes."""

from __future__ import annotations

import pytest

from daglite import Future
from daglite.compile.rewrite import Readers, apply_rule, rewrite
from daglite.compile.rules import RULES
from daglite.compile.rules.bind_partial import bind_partial
from daglite.compile.rules.fuse_calls import fuse_calls
from daglite.compile.rules.stream_collect import stream_collect
from daglite.compile.saves import attach_saves
from daglite.exceptions import TaskError
from daglite.ir.nodes import CompositeMapTaskNode, Node, TaskNode, Value
from daglite.ir.walk import consumers, postorder
from daglite.records import replace
from tests.samples import double, fold, minus, one, pair, rows, scale, shown, total


def counted(pipeline: Future[object]) -> dict[str, int]:
    return {firing.rule: firing.count for firing in rewrite(pipeline.node, RULES)[1]}


def test_firings_are_counted_rule_by_rule() -> None:
    stream = rows.iter(n=3).then(double).then(scale.partial(by=2)).then(double)

    assert counted(stream.reduce(fold, initial=0)) == {
        "bind_partial": 1,
        "stream_source": 1,
        "fuse_maps": 2,
        "stream_reduce": 1,
    }
    assert counted(one(n=1).then(double).then(double)) == {"fuse_calls": 2}
    assert counted(one(n=1)) == {}


def test_trace_shows_the_first_firing_of_a_rule() -> None:
    stream = rows.iter(n=3).then(double).then(scale).then(double).then(double)
    _, trace = rewrite(stream.join(shown).node, RULES)

    assert [(one.rule, one.before, one.after) for one in trace] == [
        ("stream_source", "map double", "iter rows -> then double"),
        ("fuse_maps", "map scale", "iter rows -> then double -> then scale"),
        ("stream_join", "join shown", "iter rows -> then double -> then scale -> (2 more) -> join shown"),
    ]


def test_rewritten_graph_is_at_rest() -> None:
    """Compiling the rewritten graph changes nothing, in the graph or in the trace."""
    stream = rows.iter(n=3)
    graph = attach_saves(pair(stream.then(double).join(total), double(x=one(n=1).then(scale.partial(by=2)))).node)
    settled, _ = rewrite(graph, RULES)

    assert rewrite(settled, RULES) == (settled, ())


def test_sharing_survives() -> None:
    stream = rows.iter(n=3)
    graph, _ = rewrite(pair(stream.then(double), stream.then(scale)).node, RULES)
    shared = [node for node, count in consumers(graph).items() if count == 2]

    assert len(shared) == 1
    assert isinstance(shared[0], CompositeMapTaskNode)


def test_rule_sees_how_many_nodes_read_a_child() -> None:
    first = one(n=1)
    seen: dict[str, int] = {}

    def look(node: Node, readers: Readers) -> Node | None:
        if isinstance(node, TaskNode):
            seen.update((b.name, readers(b.argument)) for b in node.call.bound if not isinstance(b.argument, Value))
        return None

    apply_rule(pair(a=first, b=double(x=first)).node, look)

    assert seen == {"x": 2, "a": 2, "b": 1}


def test_rule_sees_the_new_node_with_the_readers_of_the_old_one() -> None:
    """What a rule made in this pass is offered to it as a child: a chain folds in one pass."""
    chain = one(n=1).then(double).then(double).then(double)
    graph, firing = apply_rule(chain.node, fuse_calls)

    assert firing is not None
    assert firing.count == 3
    assert len(postorder(graph)) == 1


def test_nothing_to_do_gives_back_the_very_graph() -> None:
    graph = minus(a=one(n=1), b=one(n=2)).node

    assert rewrite(graph, RULES) == (graph, ())
    assert rewrite(graph, []) == (graph, ())


def test_rules_are_tried_again_when_a_later_one_fired() -> None:
    """In an order in which the first can act only after the second, both do."""
    _, trace = rewrite(scale.partial(by=3)(x=one(n=2)).node, [fuse_calls, bind_partial])

    assert [(firing.rule, firing.count) for firing in trace] == [("bind_partial", 1), ("fuse_calls", 1)]


def test_firings_of_all_rounds_are_counted_together() -> None:
    """The first chain fuses in the first round, the second one only when its fixed value is bound."""
    graph = pair(double(x=one(n=1)), scale.partial(by=3)(x=one(n=2))).node
    _, trace = rewrite(graph, [fuse_calls, bind_partial])

    assert {firing.rule: firing.count for firing in trace} == {"fuse_calls": 2, "bind_partial": 1}


def test_rule_that_does_not_settle_on_a_node_is_stopped() -> None:
    def again(node: Node, readers: Readers) -> Node | None:
        return replace(node) if isinstance(node, TaskNode) else None

    with pytest.raises(TaskError, match=r"^rule 'again' does not settle on call one; please report this$"):
        rewrite(one(n=1).node, [again])


def test_rules_that_undo_each_other_are_stopped() -> None:
    def there(node: Node, readers: Readers) -> Node | None:
        return stream_collect(node, readers)

    def back(node: Node, readers: Readers) -> Node | None:
        if isinstance(node, CompositeMapTaskNode) and node.sink is not None:
            return replace(node, sink=None)
        return None

    with pytest.raises(TaskError, match=r"^rules 'there', 'back' do not settle"):
        rewrite(rows.iter(n=1).node, [there, back])


def test_every_rule_is_registered_once_in_its_place() -> None:
    """Between a generator and its map, `fuse_maps` would take the map away before it can stream."""
    names = [rule.__name__ for rule in RULES]

    assert names.index("bind_partial") < names.index("fuse_calls")
    assert names.index("stream_source") < names.index("fuse_maps")
    assert names.index("drop_batches") < names.index("stream_source")
    assert names.index("fuse_maps") < names.index("stream_zip") < names.index("stream_collect")

    assert sorted(names) == sorted(set(names))
    assert len(names) == 10
