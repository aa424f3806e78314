"""check: graphs that could never run, or would overwrite their own saves."""

from __future__ import annotations

from pathlib import Path

import pytest

from daglite import DatasetStore, Future, compile
from daglite.compile.check import check
from daglite.compile.rewrite import Rule
from daglite.compile.rules.fuse_calls import fuse_calls
from daglite.compile.rules.stream_source import stream_source
from daglite.compile.saves import attach_saves
from daglite.exceptions import ParameterError, TaskError
from daglite.ir.nodes import (
    Collect,
    CompositeMapTaskNode,
    FilterNode,
    IterNode,
    JoinNode,
    MapTaskNode,
    ReduceNode,
    TakeNode,
    Value,
)
from tests.samples import Memory, double, fold, minus, odd, one, pair, rows, scale, total
from tests.unit.compile.bench import bound, call, rewritten


def checked(pipeline: Future[object]) -> None:
    check(attach_saves(pipeline.node))


def test_good_graphs_pass() -> None:
    stream = rows.iter(n=2).save("in/{iteration_index}").then(double).save("out/{iteration_index}")

    checked(stream.reduce(fold, initial=0).save("sum"))
    checked(stream.filter(odd).save("odd/{iteration_index}"))
    checked(pair(stream.join(total).save("sum"), rows(n=2).save("list")))


def test_fold_over_a_value_is_refused() -> None:
    value = one(n=1).node

    with pytest.raises(TaskError, match=r"^reduce fold needs a stream; got call one$"):
        check(ReduceNode(call(fold.function), value, ("acc", "item"), Value(0), True))


def test_join_over_a_value_is_refused() -> None:
    reduced = rows.iter(n=1).reduce(fold, initial=0).node

    with pytest.raises(TaskError, match=r"^join total needs a stream; got reduce fold$"):
        check(JoinNode(call(total.function), reduced, ("items",)))
    with pytest.raises(TaskError, match=r"^join total needs a stream; got join total$"):
        check(JoinNode(call(total.function), rows.iter(n=1).join(total).node, ("items",)))
    with pytest.raises(TaskError, match=r"^join total needs a stream; got one -> double$"):
        check(JoinNode(call(total.function), rewritten(one(n=1).then(double), fuse_calls), ("items",)))


def test_filter_over_a_value_is_refused() -> None:
    with pytest.raises(TaskError, match=r"^filter odd needs a stream; got call one$"):
        check(FilterNode(call(odd.function), one(n=1).node, ("x",)))


def test_take_of_a_value_is_refused() -> None:
    with pytest.raises(TaskError, match=r"^take 2 needs a stream; got call one$"):
        check(TakeNode(one(n=1).node, 2))


def test_stream_among_several_mapped_values_is_refused() -> None:
    graph = MapTaskNode(call(minus.function), bound(a=[1], b=rows.iter(n=1).node), "zip")

    with pytest.raises(ParameterError, match=r"^map minus: 'b' is an `\.iter\(\)` stream, the only mapped parameter"):
        check(graph)


def test_composite_that_does_nothing_is_refused() -> None:
    source = IterNode(call(rows.function, *bound(n=1)))

    with pytest.raises(TaskError, match=r"^iter rows does nothing with its items; please report this$"):
        check(CompositeMapTaskNode(source, (), None))
    check(CompositeMapTaskNode(source, (), Collect()))


def test_save_that_was_not_attached_is_refused() -> None:
    with pytest.raises(TaskError, match=r"^a save was not attached to what it saves; please report this$"):
        check(one(n=1).save("a").node)


@pytest.mark.parametrize(
    "pipeline",
    [
        pair(one(n=1).save("same"), one(n=2).save("same")),
        one(n=1).save("same").save("same"),
        one(n=1).save("{n}").then(scale, by=1).save("{by}"),
        rows.iter(n=2).save("k{iteration_index}").then(double).save("k{iteration_index}"),
        rows.iter(n=2).save("k{iteration_index}").reduce(fold, initial=0).save("k1"),
        rows.iter(n=2).save("k{iteration_index}").join(total).save("k0"),
        pair(rows.iter(n=2).save("{start}_{iteration_index}"), one(n=2).save("0_1")),
        pair(double.map(x=[1]).save("{iteration_index}"), rows.partial(n=2).iter().save("{iteration_index}")),
    ],
)
@pytest.mark.parametrize("optimize", [True, False])
def test_two_saves_with_one_key_are_refused(pipeline: Future[object], optimize: bool) -> None:
    with pytest.raises(ParameterError, match=r"^two saves would write the same keys into one store: .*another key$"):
        compile(pipeline, optimize=optimize)


def test_message_names_both_keys_and_tasks() -> None:
    stream = rows.iter(n=2).save("k{iteration_index}").reduce(fold, initial=0).save("k1")

    with pytest.raises(ParameterError, match=r"'k1' \(task 'fold'\) and 'k\{iteration_index\}' \(task 'rows'\)"):
        checked(stream)


def test_keys_apart_are_allowed() -> None:
    checked(pair(one(n=1).save("a"), one(n=1).save("b")))
    checked(pair(one(n=1).save("{n}"), one(n=2).save("{n}")))
    checked(rows.iter(n=2).save("a{iteration_index}").then(double).save("b{iteration_index}"))


def test_values_unknown_before_the_run_are_no_reason() -> None:
    """Nobody can say yet whether the keys differ; the run would find out."""
    first = one(n=1)

    checked(pair(one(n=first).save("{n}"), one(n=first).save("{n}")))


def test_one_key_in_two_stores_is_allowed(tmp_path: Path) -> None:
    checked(pair(one(n=1).save("same", save_store=Memory()), one(n=2).save("same", save_store=Memory())))
    checked(pair(one(n=1).save("same", save_store=tmp_path), one(n=2).save("same")))
    checked(pair(one(n=1).save("same", save_store=tmp_path / "a"), one(n=2).save("same", save_store=tmp_path / "b")))


def test_equal_stores_are_one_store(tmp_path: Path) -> None:
    left = one(n=1).save("same", save_store=tmp_path)
    right = one(n=2).save("same", save_store=DatasetStore(tmp_path))

    with pytest.raises(ParameterError, match=r"^two saves would write the same keys"):
        checked(pair(left, right))


@pytest.mark.parametrize("rule", [fuse_calls, stream_source])
def test_saves_inside_composites_count(rule: Rule) -> None:
    """The graph is checked again after the rules; a rule must not hide a save."""
    chain = one(n=1).then(double).save("k0")
    stream = rows.iter(n=2).save("k{iteration_index}").then(double)

    with pytest.raises(ParameterError, match=r"^two saves would write the same keys"):
        check(rewritten(pair(chain, stream), rule))
