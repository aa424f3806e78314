"""stream_reduce: a fold takes the items as they come."""

from __future__ import annotations

from typing import Any

from daglite.compile.rules.stream_collect import stream_collect
from daglite.compile.rules.stream_reduce import stream_reduce
from daglite.compile.rules.stream_source import stream_source
from daglite.ir.nodes import CombineCall, CompositeMapTaskNode, Fold, IterNode, Link, Mapped, ReduceNode, Value
from daglite.ir.walk import same
from tests.samples import Memory, double, fold, one, pair, rows, weighted
from tests.unit.compile.bench import bound, call, check_law, declines, explained, rewritten


def test_fold_of_generator_ends_its_stream() -> None:
    source = IterNode(call(rows.function, *bound(n=2)))
    wanted = CompositeMapTaskNode(source, (), Fold(call(fold.function), ("acc", "item"), Value(7), True, ()))

    assert same(rewritten(rows.iter(n=2).reduce(fold, initial=7), stream_reduce), wanted)


def test_fold_of_map_ends_its_stream() -> None:
    sink = Fold(call(fold.function), ("acc", "item"), Value(0), False, ())
    wanted = CompositeMapTaskNode(Mapped(bound(x=[1]), "zip"), (Link(call(double.function), ("x",), ()),), sink)

    assert same(rewritten(double.map(x=[1]).reduce(fold, initial=0, ordered=False), stream_reduce), wanted)


def test_fold_of_open_composite_is_its_ending() -> None:
    source = IterNode(call(rows.function, *bound(n=2)))
    sink = Fold(call(fold.function), ("acc", "item"), Value(0), True, ())
    wanted = CompositeMapTaskNode(source, (Link(call(double.function), ("x",), ()),), sink)

    found = rewritten(rows.iter(n=2).then(double).reduce(fold, initial=0), stream_source, stream_reduce)
    assert same(found, wanted)


def test_combine_goes_along() -> None:
    together = CombineCall(call(pair.function), ("a", "b"), Value(0))
    sink = Fold(call(fold.function), ("acc", "item"), Value(7), True, (), together)
    wanted = CompositeMapTaskNode(IterNode(call(rows.function, *bound(n=2))), (), sink)

    pipeline: Any = rows.iter(n=2)
    assert same(rewritten(pipeline.reduce(fold, initial=7, combine=pair, empty=0), stream_reduce), wanted)


def test_save_of_the_result_goes_along() -> None:
    composite = rewritten(rows.iter(n=2).reduce(fold, initial=7).save("sum", save_store=Memory()), stream_reduce)

    assert isinstance(composite, CompositeMapTaskNode)
    assert isinstance(composite.sink, Fold)
    assert [save.key.text for save in composite.sink.saves] == ["sum"]


def test_items_with_two_consumers_stay() -> None:
    stream = rows.iter(n=2)

    assert declines(stream_reduce, pair(stream.reduce(fold, initial=0), stream).node)
    assert declines(stream_reduce, pair(stream.reduce(fold, initial=0), stream.reduce(fold, initial=0)).node)


def test_items_that_are_the_initial_value_as_well_stay() -> None:
    stream = rows.iter(n=2)

    assert declines(stream_reduce, ReduceNode(call(weighted.function), stream.node, ("acc", "item"), stream.node, True))


def test_items_that_are_an_argument_of_the_fold_as_well_stay() -> None:
    stream = rows.iter(n=2)

    assert declines(stream_reduce, stream.reduce(weighted.partial(by=stream), initial=0).node)


def test_ended_stream_and_other_nodes_stay() -> None:
    ended = rewritten(rows.iter(n=2), stream_collect)

    assert declines(stream_reduce, ReduceNode(call(fold.function), ended, ("acc", "item"), Value(0), True))
    assert declines(stream_reduce, rows.iter(n=2).then(double).node)
    assert declines(stream_reduce, one(n=2).node)


def test_law_fold_of_stream_is_fold_of_list() -> None:
    check_law(stream_reduce, rows.iter(n=4).save("{iteration_index}").reduce(fold, initial=1).save("r"), 99)
    check_law(stream_reduce, double.map(x=[1, 2]).reduce(fold, initial=one(n=5)), 55)
    check_law(stream_reduce, rows.iter(n=0).reduce(fold, initial=7), 7)


def test_explain() -> None:
    explained("stream_reduce", rows.iter(n=4).then(double).reduce(fold, initial=one(n=5), ordered=False).save("sum"))
