"""Futures: lazy builders, their chaining methods, saves and what they refuse to be."""

from __future__ import annotations

import asyncio
import copy
import functools
import inspect
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from daglite import DatasetStore, Future, IterFuture, MapTaskFuture, ReduceFuture, TaskFuture, ref, task
from daglite.exceptions import ParameterError, TaskError
from daglite.ir.nodes import SaveNode
from tests.samples import Memory, double, fold, minus, odd, one, pair, rows, scale, several, shown, total, weighted

STREAM = rows.iter(n=3)
EVERY_FUTURE: list[Future[object]] = [
    one(n=1),
    STREAM,
    STREAM.then(double),
    STREAM.filter(odd),
    STREAM.reduce(fold, initial=0),
    STREAM.join(total),
]


def inline(future: Future[object]) -> object:
    return future.run(runtime="inline")


def test_every_method_gives_its_future() -> None:
    mapped, reduced = STREAM.then(double), STREAM.reduce(fold, initial=0)
    found: dict[type, list[Future[Any]]] = {
        TaskFuture: [
            one(n=1),
            rows(n=1),
            STREAM.join(total),
            mapped.join(total),
            one(n=1).then(double),
            reduced.then(one),
        ],
        IterFuture: [STREAM, rows.partial(n=1).iter(), STREAM.save("{iteration_index}"), STREAM.take(1)],
        MapTaskFuture: [
            mapped,
            mapped.then(scale),
            double.map(x=[1]),
            mapped.save("{iteration_index}"),
            STREAM.filter(odd),
            mapped.take(1),
        ],
        ReduceFuture: [reduced, mapped.reduce(fold, initial=0), reduced.save("r")],
    }

    for kind, futures in found.items():
        assert [type(future) for future in futures] == [kind] * len(futures)


def test_the_guides_pipelines() -> None:
    assert inline(STREAM) == [0, 1, 2]
    assert inline(STREAM.then(double)) == [0, 2, 4]
    assert inline(STREAM.then(double).then(scale, by=5)) == [0, 10, 20]
    assert inline(STREAM.then(double).reduce(fold, initial=1)) == 37
    assert inline(STREAM.then(double).join(total)) == 6
    assert inline(STREAM.reduce(fold, initial=0)) == 5
    assert inline(STREAM.join(shown)) == "[0, 1, 2]."
    assert inline(rows(n=3)) == [0, 1, 2]
    assert inline(double.map(x=rows(n=3))) == inline(double.map(x=STREAM)) == [0, 2, 4]
    assert inline(STREAM.then(several)) == [[0, 0], [1, -1], [2, -2]]


def test_calls_form_graphs() -> None:
    first = one(n=1)

    assert inline(minus(a=double(x=4), b=scale(x=first, by=first))) == 7
    assert inline(one(n=3).then(double).then(minus, b=first)) == 5
    assert inline(STREAM.reduce(fold, initial=0).then(double)) == 10
    assert inline(STREAM.reduce(fold, initial=first)) == 32


def test_future_used_twice_runs_once() -> None:
    calls: list[int] = []

    @task
    def noted(x: int) -> int:
        calls.append(x)
        return x

    shared, stream = noted(x=1), noted.map(x=[2, 3])

    assert inline(pair(pair(shared, shared), pair(stream, stream.join(total)))) == ((1, 1), ([2, 3], 5))
    assert calls == [1, 2, 3]


def test_equal_calls_run_twice() -> None:
    """Tasks may be impure: what looks alike need not be the same."""
    calls: list[int] = []

    @task
    def noted(x: int) -> int:
        calls.append(x)
        return len(calls)

    assert inline(pair(noted(x=1), noted(x=1))) == (1, 2)


def test_nothing_runs_while_building() -> None:
    calls: list[int] = []

    @task
    def noted(x: int) -> int:
        calls.append(x)
        return x

    future = noted.map(x=[1, 2]).then(noted).save("{iteration_index}").join(total)
    repr(future)

    assert calls == []


@pytest.mark.parametrize("future", EVERY_FUTURE, ids=lambda future: type(future).__name__)
@pytest.mark.parametrize(
    "use",
    [
        bool,
        len,
        iter,
        list,
        lambda future: 3 in future,
        lambda future: future[0],
        lambda future: not future,
        lambda future: print(*future),
    ],
    ids=["bool", "len", "iter", "list", "in", "item", "not", "unpack"],
)
def test_future_is_no_value(future: Future[object], use: Callable[[Any], object]) -> None:
    with pytest.raises(
        TypeError, match=r"^\w+Future\(\w+\) has no value yet: run it \(`\.run\(\)`\) or compile it \(`daglite\.compile"
    ):
        use(future)


def test_future_cannot_be_awaited() -> None:
    async def forgot() -> object:
        return await one(n=1)  # type: ignore[misc]

    with pytest.raises(TypeError, match=r"^TaskFuture\(one\) has no value yet: "):
        asyncio.run(forgot())


def test_awaiting_goes_through_run_async() -> None:
    assert asyncio.run(STREAM.then(double).run_async(runtime="inline")) == [0, 2, 4]


def test_notebook_shows_one_line_and_runs_nothing() -> None:
    html = task(lambda x: 1 / 0, name="<odd> & even").map(x=[1])._repr_html_()

    assert html.startswith("<code>MapTaskFuture(&lt;odd> &amp; even)</code> has not run: ")
    assert "\n" not in html


def test_repr_names_kind_and_task_only() -> None:
    assert repr(one(n=[1] * 1000)) == "TaskFuture(one)"
    assert repr(STREAM.save("{iteration_index}")) == "IterFuture(rows)"
    assert repr(STREAM.then(double)) == "MapTaskFuture(double)"
    assert repr(STREAM.reduce(fold, initial=0).save("a").save("b")) == "ReduceFuture(fold)"
    assert repr(STREAM.join(total)) == "TaskFuture(total)"


def test_futures_compare_by_identity() -> None:
    first = one(n=1)

    assert first == first
    assert first != one(n=1)
    assert len({first, first, one(n=1)}) == 2
    assert first != copy.copy(first)


def test_futures_are_frozen() -> None:
    with pytest.raises(AttributeError, match="cannot assign to field 'node'"):
        STREAM.node = STREAM.node  # type: ignore[misc]


def test_ref_is_the_future_itself() -> None:
    first = one(n=2)

    assert cast("object", ref(first)) is first
    assert inline(rows.iter(n=ref(first))) == [0, 1]


# reduce


@pytest.mark.parametrize("ordered", [1, 0, None, "yes"])
def test_ordered_is_a_bool(ordered: object) -> None:
    with pytest.raises(ParameterError, match=r"^`ordered` of `reduce` with task 'fold' must be a bool; got "):
        STREAM.reduce(fold, initial=0, ordered=ordered)  # type: ignore[arg-type]


def test_fold_cannot_have_options_that_need_a_worker() -> None:
    for options in ({"timeout": 1.0}, {"retry_on_crash": False}):
        with pytest.raises(ParameterError, match=r"^task 'fold' has a `timeout` or `retry_on_crash=False`, which `red"):
            STREAM.reduce(fold.with_options(**options), initial=0)


def test_combine_is_a_task_or_a_function_of_two() -> None:
    combines: list[Any] = [
        minus,
        minus.fn,
        minus.partial(),
        functools.partial(minus),
        math.gcd,
        max,
        lambda a, b: a,
        dict[int, int]().get,
    ]
    for combine in combines:
        assert inline(rows.iter(n=0).reduce(weighted, initial=0, combine=combine, empty=0)) == 0


@pytest.mark.parametrize(
    ("combine", "message"),
    [
        (3, "`combine` of `reduce` with task 'fold' must be a task or a function of two accumulators; got 3"),
        (one(n=1), "`combine` of `reduce` with task 'fold' must be a task or a function of two accumulators; got Task"),
        (double, "`combine` needs 2 parameters of task 'double' that nothing else fills; free: 'x'"),
        (lambda a: a, "`combine` needs 2 parameters of task '<lambda>' that nothing else fills; free: 'a'"),
        (
            lambda a, b, c: a,
            "`combine` of task '<lambda>' leaves 'c' without a value; fix it with `.partial` or give i",
        ),
        (minus.with_options(timeout=1.0), "task 'minus' has a `timeout` or `retry_on_crash=False`, which `combine` c"),
    ],
)
def test_wrong_combine_is_told_at_once(combine: Any, message: str) -> None:
    with pytest.raises(ParameterError, match="^" + re.escape(message)):
        STREAM.reduce(fold, initial=0, combine=combine)


def test_empty_needs_combine() -> None:
    with pytest.raises(ParameterError, match=r"^`empty` of `reduce` with task 'fold' needs `combine`"):
        STREAM.reduce(fold, initial=0, empty=0)


def test_initial_is_copied_for_each_run() -> None:
    @task
    def grow(acc: list[int], item: int) -> list[int]:
        acc.append(item)
        return acc

    start: list[int] = []
    future = STREAM.reduce(grow, initial=start)

    assert inline(future) == inline(future) == [0, 1, 2]
    assert start == []


# save


def saved(future: Future[object]) -> list[tuple[str, object]]:
    store = Memory()
    future.run(runtime="inline", store=store)
    return store.saved


def test_each_item_has_its_key() -> None:
    assert saved(STREAM.save("row_{iteration_index}")) == [("row_0", 0), ("row_1", 1), ("row_2", 2)]
    assert saved(double.map(x=[5]).save("{iteration_index:03d}")) == [("000", 10)]


def test_keys_name_every_parameter_of_the_call() -> None:
    """Passed by name, by position, by a partial, or left at their defaults."""
    assert saved(rows.iter(1).save("{n}_{start}_{iteration_index}")) == [("1_0_0", 0)]
    assert saved(rows.partial(start=5).iter(n=1).save("{n}_{start}_{iteration_index}")) == [("1_5_0", 5)]
    assert saved(STREAM.then(scale, by=2).save("{by}_{iteration_index}"))[0] == ("2_0", 0)
    assert saved(STREAM.then(scale).save("{by}_{iteration_index}"))[0] == ("10_0", 0)
    assert saved(scale(x=one(n=4)).save("{x}_{by}")) == [("4_10", 40)]
    assert saved(STREAM.join(shown, after="!").save("end{after}")) == [("end!", "[0, 1, 2]!")]
    assert saved(rows(n=2).save("{n!r:>3}{{}}")) == [("  2{}", [0, 1])]


def test_save_gives_a_new_future_over_the_same_node() -> None:
    first = one(n=1)
    second = first.save("a")

    assert type(second) is type(first)
    assert isinstance(second.node, SaveNode)
    assert second.node.source is first.node
    assert saved(first) == []
    assert saved(pair(first, second.save("b"))) == [("a", 1), ("b", 1)]


def test_store_of_the_save_goes_before_that_of_the_run(tmp_path: Path) -> None:
    own = Memory()
    future = one(n=1).save("a", save_store=own).save("b").save("c", save_store=tmp_path / "text")

    assert saved(future) == [("b", 1)]
    assert own.saved == [("a", 1)]
    assert DatasetStore(tmp_path / "text").load("c") == 1


@pytest.mark.parametrize(
    ("save", "message"),
    [
        (
            lambda: STREAM.save("row_{path}"),
            r"^key 'row_\{path\}' of task 'rows' names 'path', which will not exist; "
            r"known names: 'iteration_index', 'n', 'start'$",
        ),
        (lambda: STREAM.save("{strt}_{iteration_index}"), r"; did you mean 'start'\?$"),
        (
            lambda: one(n=1).save("{iteration_index}"),
            r"^key '\{iteration_index\}' of task 'one' names 'iteration_index', which will not exist; known "
            r"names: 'n'; it exists only where items are saved$",
        ),
        (lambda: STREAM.reduce(fold, initial=0).save("{iteration_index}"), r"names 'iteration_index', which will not"),
        (lambda: STREAM.join(total).save("{items}"), r"names 'items', which will not exist; known names: none$"),
        (lambda: STREAM.then(scale).save("{x}{iteration_index}"), r"^key .* of task 'scale' names 'x', which will not"),
        (lambda: STREAM.then(double).save("{n}_{iteration_index}"), r"^key .* of task 'double' names 'n', which will"),
        (
            lambda: STREAM.reduce(fold, initial=0).save("{acc}"),
            r"^key '\{acc\}' of task 'fold' names 'acc', which will",
        ),
        (lambda: STREAM.save("{n"), r"^key '\{n' of task 'rows' is malformed: "),
        (lambda: STREAM.save("{}"), r"^key '\{\}' of task 'rows' is malformed: "),
        (lambda: STREAM.save("{0}"), r"^key '\{0\}' of task 'rows' is malformed: "),
        (lambda: STREAM.save("{n.real}"), r"^key '\{n\.real\}' of task 'rows' is malformed: "),
        (lambda: STREAM.save("{n[0]}"), r"^key '\{n\[0\]\}' of task 'rows' is malformed: "),
        (lambda: STREAM.save("{iteration_index:.1}"), r"^key .* of task 'rows' may give two items the same key; "),
        (
            lambda: STREAM.save("../{iteration_index}"),
            r"^key .* of task 'rows' never gives a key that is allowed; a key is",
        ),
        (lambda: STREAM.save(""), r"^`key` of task 'rows' must be a text such as 'row_\{iteration_index\}'; got ''$"),
        (lambda: STREAM.save(3), r"^`key` of task 'rows' must be a text such as .*; got 3$"),  # type: ignore[arg-type]
        (lambda: STREAM.save("a", save_store=3), r"^`save_store` must be a store .* or a folder; got 3$"),  # type: ignore[arg-type]
    ],
)
def test_wrong_saves_raise_at_once(save: Callable[[], object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        save()


@pytest.mark.parametrize(
    ("fold_it", "message"),
    [
        (
            lambda: STREAM.reduce(fold),  # type: ignore[call-arg]
            r"^`reduce` needs `initial`; got none for task 'fold': write \.reduce\(fold, initial=\.\.\.\), the",
        ),
        (
            lambda: STREAM.reduce(functools.partial(fold, 1)),  # type: ignore[call-arg]
            r"^`reduce` needs `initial`; got none for task 'fold'",
        ),
        (
            lambda: STREAM.reduce(fold, 0),  # type: ignore[call-arg]
            r"^`reduce` with task 'fold' takes 'initial'.* by name; got 0 by position: write initial=\.\.\.$",
        ),
        (
            lambda: STREAM.reduce(fold, inital=0),  # type: ignore[call-arg]
            r"^`reduce` with task 'fold' has no 'inital'; it takes 'initial'.*; did you mean 'initial'\?$",
        ),
    ],
)
def test_fold_without_initial_is_told_with_its_task(fold_it: Callable[[], object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        fold_it()


def test_fold_needs_a_task_before_an_initial() -> None:
    with pytest.raises(TaskError, match=r"^`reduce` needs a task; got <built-in function max>"):
        STREAM.reduce(cast(Any, max))  # type: ignore[call-arg]
    for options in ({"initial": 0}, {"task": fold, "initial": 0}):
        with pytest.raises(ParameterError, match=r"^`reduce` needs a task, first and without a name: write \.reduce"):
            STREAM.reduce(**options)  # type: ignore[call-arg]  # what is tested


def test_reduce_shows_its_own_signature() -> None:
    assert list(inspect.signature(STREAM.reduce).parameters)[:2] == ["task", "initial"]
