"""fuse_calls: a chain of single calls travels as one."""

from __future__ import annotations

from typing import Any

import pytest

from daglite import Future, compile, task
from daglite.compile.rules.bind_partial import bind_partial
from daglite.compile.rules.fuse_calls import fuse_calls
from daglite.compile.saves import attach_saves
from daglite.ir.nodes import CompositeTaskNode, Link
from daglite.ir.walk import same
from daglite.program import Stage
from tests.samples import Memory, double, fold, minus, one, pair, rows, scale, several, total
from tests.unit.compile.bench import bound, call, check_law, declines, explained, rewritten


def test_two_calls_become_one_composite() -> None:
    links = (Link(call(scale.function, *bound(by=3)), ("x",), ()),)
    wanted = CompositeTaskNode(call(one.function, *bound(n=2)), links, ())

    assert same(rewritten(scale(x=one(n=2), by=3), fuse_calls), wanted)
    assert same(rewritten(one(n=2).then(scale, by=3), fuse_calls), wanted)


def test_further_calls_become_links() -> None:
    links = (Link(call(double.function), ("x",), ()), Link(call(minus.function, *bound(a=9)), ("b",), ()))
    wanted = CompositeTaskNode(call(one.function, *bound(n=2)), links, ())

    assert same(rewritten(minus(a=9, b=double(x=one(n=2))), fuse_calls), wanted)


def test_first_call_may_wait_for_several() -> None:
    graph = rewritten(double(x=minus(a=one(n=1), b=one(n=2))), fuse_calls)

    assert isinstance(graph, CompositeTaskNode)
    assert graph.first.function is minus.function


def test_save_of_the_last_value_goes_along() -> None:
    composite = rewritten(double(x=one(n=2)).save("d", save_store=Memory()), fuse_calls)

    assert isinstance(composite, CompositeTaskNode)
    assert [save.key.text for save in composite.saves] == ["d"]


def test_value_with_two_consumers_stays() -> None:
    first = one(n=2)

    assert declines(fuse_calls, pair(double(x=first), first).node)
    assert declines(fuse_calls, pair(a=first, b=first).node)


def test_saved_value_stays() -> None:
    """It is needed in the coordinator, where saves are made."""
    assert declines(fuse_calls, attach_saves(double(x=one(n=2).save("one")).node))


def test_saved_chain_does_not_go_on() -> None:
    chain = double(x=one(n=2)).save("d")
    graph = rewritten(double(x=chain), fuse_calls)

    assert not isinstance(graph, CompositeTaskNode)


def test_generators_stay() -> None:
    assert declines(fuse_calls, total(items=rows(n=2)).node)
    assert declines(fuse_calls, several(x=one(n=2)).node)


def test_call_that_waits_for_another_one_stays() -> None:
    """Independent calls run side by side; as one they would run in turn."""
    assert declines(fuse_calls, minus(a=one(n=1), b=one(n=2)).node)


def test_call_with_fixed_values_waits_for_bind_partial() -> None:
    pipeline = scale.partial(by=3)(x=one(n=2))

    assert declines(fuse_calls, pipeline.node)
    assert isinstance(rewritten(pipeline, bind_partial, fuse_calls), CompositeTaskNode)


@pytest.mark.parametrize("optimize", [True, False])
def test_value_that_a_key_names_stays(optimize: bool) -> None:
    """Inside a chain it would not come back to the coordinator, which writes the key."""
    named = one(n=4).then(scale, by=2).save("{x}_{by}")
    store = Memory()

    assert declines(fuse_calls, attach_saves(named.node))
    assert not declines(fuse_calls, attach_saves(one(n=4).then(scale, by=2).save("{by}").node))
    assert compile(named, optimize=optimize).run(runtime="inline", store=store) == 8
    assert store.saved == [("4_2", 8)]


def test_values_of_streams_stay() -> None:
    assert declines(fuse_calls, double(x=rows.iter(n=2).reduce(fold, initial=0)).node)
    assert declines(fuse_calls, double(x=rows.iter(n=2).join(total)).node)
    assert declines(fuse_calls, total(items=rows.iter(n=2)).node)


def test_law_chain_is_nested_call() -> None:
    check_law(fuse_calls, scale(x=double(x=one(n=2)), by=5).save("s_{by}"), 20)
    check_law(fuse_calls, minus(a=1, b=double(x=minus(a=one(n=7), b=one(n=2)).save("m"))), -9)
    shared = double(x=one(n=2))
    check_law(fuse_calls, pair(scale(x=shared), shared), (40, 4))


def test_explain() -> None:
    explained("fuse_calls", minus(a=1, b=double(x=minus(a=one(n=7), b=one(n=2)))).then(scale, by=3))


@pytest.mark.parametrize("on", ["threads", "processes", "coordinator"])
def test_calls_in_different_places_stay_apart(on: Any) -> None:
    placed = double.with_options(on=on)

    assert len(stages(one(n=1).then(placed))) == 2
    assert len(stages(placed(x=1).then(scale))) == 2
    assert len(stages(placed(x=1).then(placed).then(placed))) == 1


def test_async_calls_on_an_event_loop_stay_apart_from_plain_ones() -> None:
    @task(on="threads")
    async def awaited(x: int) -> int:
        return x

    placed = double.with_options(on="threads")
    assert len(stages(awaited(1).then(placed))) == 2
    assert len(stages(awaited(1).then(awaited))) == 1


def stages(pipeline: Future[Any]) -> tuple[Stage, ...]:
    return compile(pipeline).program.stages
