"""Operations on the items of a stream: what may be written, and what it gives."""

from __future__ import annotations

import pickle
import re
from typing import Any

import pytest

from daglite import Future, MapTaskFuture, compile, ref, task
from daglite.exceptions import ParameterError, TaskError, failure_of
from daglite.ir.builders import operation_node
from tests.samples import Memory, double, odd, one, pair, rows, scale, several, shown, total


@task
def small(x: Any, most: Any = 4) -> bool:
    return bool(x <= most)


@task
def typed(x: int) -> int:
    return x


@task
def added(acc: int, x: int) -> int:
    return acc + x


@task
def named(x: int) -> str:
    return str(x)


@task
def texts(x: str) -> str:
    return x


def negative(x: int) -> int:
    return -x


STREAM = rows.iter(n=3)


def items(future: Future[object]) -> object:
    return future.run(runtime="inline")


def saved(future: Future[object]) -> list[tuple[str, object]]:
    store = Memory()
    future.run(runtime="inline", store=store)
    return store.saved


def test_each_gives_its_items() -> None:
    assert items(STREAM.take(2)) == [0, 1]
    assert items(STREAM.take(9).then(double).take(2)) == [0, 2]
    assert items(STREAM.filter(odd)) == [1]
    assert items(rows.iter(n=3, start=1).filter(odd.partial(x=3))) == [2]
    assert items(STREAM.then(double).filter(odd, by=4).then(scale)) == [20]


def test_filter_needs_a_task_that_answers() -> None:
    with pytest.raises(TaskError, match=r"^`filter` needs a task; got <built-in function any>; decorate"):
        STREAM.filter(any)  # type: ignore[arg-type]
    with pytest.raises(TaskError, match=r"^`filter` needs a task that returns True or False; 'several' is a generator"):
        STREAM.filter(several)  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match=r"^task 'odd' has no parameter 'bye'; it takes 'x', 'by'; did you mean"):
        STREAM.filter(odd, bye=2)  # type: ignore[call-arg]


@pytest.mark.parametrize("n", [-1, 1.0, True, None, "2"])
def test_take_needs_a_number_of_items(n: Any) -> None:
    with pytest.raises(ParameterError, match=rf"^`n` of `take` must be a whole number >= 0; got {re.escape(repr(n))}$"):
        STREAM.take(n)


def test_key_behind_a_take_is_that_of_the_stream() -> None:
    assert saved(STREAM.take(2).save("{n}_{start}_{iteration_index}")) == [("3_0_0", 0), ("3_0_1", 1)]
    assert repr(STREAM.take(2)) == "IterFuture(rows)"


def test_key_behind_a_filter_names_its_parameters() -> None:
    assert saved(STREAM.filter(odd).save("{by}_{iteration_index}")) == [("2_1", 1)]
    with pytest.raises(ParameterError, match=r"names 'x', which will not exist; known names: 'by', 'iteration_index'$"):
        STREAM.filter(odd).save("{x}_{iteration_index}")


def test_operations_give_what_their_names_say() -> None:
    stream = rows.iter(n=7)

    assert items(stream.batch(3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert items(stream.batch(3).unbatch()) == [*range(7)]
    assert items(stream.then(several).unbatch().take(3)) == [0, 0, 1]
    assert items(stream.window(3, step=2)) == [[0, 1, 2], [2, 3, 4], [4, 5, 6]]
    assert items(rows.iter(n=2).window(3)) == []
    assert items(stream.skip(5)) == [5, 6]
    assert items(stream.skip(9)) == []
    assert items(stream.filter(odd).enumerate()) == [(0, 1), (1, 3), (2, 5)]
    assert items(stream.take_while(small, most=2)) == [0, 1, 2]
    assert items(stream.group_by(small.partial(most=2))) == [(True, [0, 1, 2]), (False, [3, 4, 5, 6])]
    assert items(stream.then(small).distinct()) == [True, False]
    assert items(stream.distinct(odd.partial(by=3))) == [0, 1]
    assert items(stream.zip(rows.iter(n=3, start=5))) == [(0, 5), (1, 6), (2, 7)]
    assert items(rows.iter(n=2).zip(stream)) == [(0, 0), (1, 1)]


def test_folds_by_name_give_one_value() -> None:
    stream = rows.iter(n=7).then(double)

    assert items(stream.count()) == 7
    assert items(stream.sum()) == 42
    assert items(stream.sum(start=8).then(scale)) == 500
    assert items(stream.min()) == 0
    assert items(stream.max(key=negative)) == 0
    assert items(stream.take(0).max(default="none")) == "none"
    assert items(stream.take(0).sum()) == 0
    assert items(stream.filter(odd).count()) == 0
    assert items(stream.for_each(scale, by=3)) == 7
    assert items(stream.sum(start=ref(one(n=4)))) == 46
    assert items(stream.take(0).min(default=one(n=4))) == 4
    assert saved(stream.sum().save("sum")) == [("sum", 42)]


@pytest.mark.parametrize("name", ["min", "max"])
def test_stream_without_items_has_no_best(name: str) -> None:
    with pytest.raises(ValueError, match=rf"^`{name}` of a stream without items; give it a `default`") as caught:
        items(getattr(rows.iter(n=0), name)())
    failure = failure_of(caught.value)

    assert failure is not None
    assert (failure.task, failure.step, failure.index) == (name, 1, None)


def test_operations_number_items_anew() -> None:
    stream = rows.iter(n=5).filter(odd).save("a{iteration_index}")

    assert saved(stream.skip(0).save("b{iteration_index}").then(double).save("c{iteration_index}")) == [
        ("a1", 1), ("b0", 1), ("c0", 2), ("a3", 3), ("b1", 3), ("c1", 6),
    ]  # fmt: skip
    assert saved(stream.batch(2).take(1).save("b{iteration_index}")) == [("a1", 1), ("a3", 3), ("b0", [1, 3])]


def test_key_behind_an_operation_names_its_numbers_and_its_task() -> None:
    assert saved(rows.iter(n=3).batch(2).save("{n}_{iteration_index}")) == [("2_0", [0, 1]), ("2_1", [2])]
    assert saved(rows.iter(n=9).take_while(small, most=0).save("{most}_{iteration_index}")) == [("0_0", 0)]
    with pytest.raises(ParameterError, match=r"names 'n', which will not exist; known names: 'iteration_index'$"):
        rows.iter(n=3).batch(2).unbatch().save("{n}_{iteration_index}")


def test_repr_of_an_operation_names_it() -> None:
    assert repr(STREAM.batch(2)) == "MapTaskFuture(batch)"
    assert repr(STREAM.take_while(small).take(1)) == "MapTaskFuture(small)"
    assert repr(STREAM.count()) == "ReduceFuture(count)"


@pytest.mark.parametrize("n", [0, -1, 1.0, True, None, "2"])
@pytest.mark.parametrize(
    ("name", "give"),
    [
        ("n` of `batch", lambda n: STREAM.batch(n)),
        ("n` of `window", lambda n: STREAM.window(n)),
        ("step` of `window", lambda n: STREAM.window(2, n)),
        ("limit` of `distinct", lambda n: STREAM.distinct(limit=n)),
    ],
)
def test_number_of_an_operation_is_at_least_1(name: str, give: Any, n: Any) -> None:
    with pytest.raises(ParameterError, match=rf"^`{name}` must be a whole number >= 1; got {re.escape(repr(n))}$"):
        give(n)


def test_numbers_may_be_written_as_explain_shows_them() -> None:
    for written, shown_so in (
        (STREAM.take(n=2), STREAM.take(2)),
        (STREAM.skip(n=1), STREAM.skip(1)),
        (STREAM.batch(n=2), STREAM.batch(2)),
        (STREAM.window(n=2, step=1), STREAM.window(2)),
    ):
        assert compile(written) == compile(shown_so)


@pytest.mark.parametrize("method", ["reduce", "scan"])
def test_folds_take_no_extras_and_advise_none(method: str) -> None:
    weighted = task(lambda acc, x, weight: acc)
    with pytest.raises(ParameterError, match=r"leaves 'weight' without a value; fix it with `\.partial`$"):
        getattr(STREAM, method)(weighted, initial=0)


def test_other_numbers_are_looked_at_too() -> None:
    with pytest.raises(ParameterError, match=r"^`n` of `skip` must be a whole number >= 0; got -1$"):
        STREAM.skip(-1)
    with pytest.raises(ParameterError, match=r"^`limit` of `group_by` must be a whole number >= 1; got 0$"):
        STREAM.group_by(odd, limit=0)


@pytest.mark.parametrize("method", ["take_while", "group_by", "distinct"])
def test_operation_asks_a_task_that_stays_in_the_coordinator(method: str) -> None:
    ask: Any = getattr(STREAM, method)
    with pytest.raises(TaskError, match=rf"^`{method}` needs a task; got <built-in function abs>; decorate"):
        ask(abs)
    with pytest.raises(TaskError, match=rf"^`{method}` needs a task that returns .*; 'several' is a generator"):
        ask(several)
    with pytest.raises(ParameterError, match=rf"^task 'odd' has a `timeout` or .*, which `{method}` cannot keep"):
        ask(odd.with_options(timeout=1.0))
    with pytest.raises(ParameterError, match=rf"^`{method}` of task 'pair' leaves 'b' without a value"):
        ask(pair)


def test_zip_needs_a_stream() -> None:
    with pytest.raises(TaskError, match=r"^`zip` needs another stream; got \[1\]; make one of it: daglite.from_iter"):
        STREAM.zip([1])  # type: ignore[arg-type]
    with pytest.raises(TaskError, match=r"^`zip` needs another stream; got TaskFuture\(rows\)"):
        STREAM.zip(rows(n=3))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("key", "told"), [(odd, "a task, which gives futures: give the function it is made of"), ("x", "'x'")]
)
def test_key_of_a_fold_is_a_plain_function(key: Any, told: str) -> None:
    with pytest.raises(ParameterError, match=rf"^`key` of `max` must be a plain function of one item; got {told}$"):
        STREAM.max(key=key)


def test_operations_need_a_stream() -> None:
    with pytest.raises(TaskError, match=r"^batch 2 needs a stream; got call one$"):
        compile(MapTaskFuture(operation_node("batch", one(n=1).node, n=2)))


def test_types_beside_operations_are_compared() -> None:
    for good in (
        STREAM.batch(2).then(total),
        STREAM.batch(2).unbatch().then(typed),
        STREAM.enumerate().then(shown),
        STREAM.window(2).group_by(total).then(shown),
        STREAM.zip(STREAM).then(shown),
        STREAM.skip(1).distinct().then(typed),
        STREAM.distinct(typed).take_while(odd),
        STREAM.scan(added, initial=0).then(typed),
        STREAM.scan(added, initial=ref(typed(x=1))),
    ):
        compile(good, check_types=True)
    stream: Any = STREAM
    for bad, gives in (
        (stream.batch(2).then(typed), r"list\[int\]"),
        (stream.enumerate().then(typed), r"tuple\[int, int\]"),
        (stream.window(2).distinct(typed), r"list\[int\]"),
        (stream.group_by(typed).then(typed), r"tuple\[int, list\[int\]\]"),
        (stream.zip(STREAM.batch(1)).then(typed), r"tuple\[int, list\[int\]\]"),
    ):
        with pytest.raises(TaskError, match=rf"^task 'typed' takes int for 'x'; task 'rows' gives {gives}$"):
            compile(bad, check_types=True)
    for bad, told in (
        (stream.batch(2).scan(added, initial=0), r"'added' takes int for 'x'; task 'rows' gives list\[int\]"),
        (stream.scan(added, initial=named(x=1)), r"'added' takes int for 'acc'; task 'named' gives str"),
        (stream.scan(added, initial=0).then(texts), r"'texts' takes str for 'x'; task 'added' gives int"),
    ):
        with pytest.raises(TaskError, match=rf"^task {told}$"):
            compile(bad, check_types=True)


def test_plan_with_operations_survives_pickling() -> None:
    stream = (
        STREAM.batch(2)
        .take_while(small.partial(most=[9]))
        .zip(STREAM.enumerate())
        .distinct(shown)
        .max(key=len, default=None)
    )
    plan = compile(stream)
    again = pickle.loads(pickle.dumps(plan))

    assert again == plan
    assert again.fingerprint == plan.fingerprint is not None
    assert again.run(runtime="inline") == plan.run(runtime="inline") == ([0, 1], (0, 0))


def test_fingerprint_tells_operations_apart() -> None:
    plans: list[Future[object]] = [
        STREAM.batch(2), STREAM.batch(3), STREAM.window(2), STREAM.window(2, 2), STREAM.skip(2), STREAM.distinct(),
        STREAM.distinct(odd), STREAM.group_by(odd), STREAM.scan(added, initial=0),
        STREAM.scan(added, initial=1), STREAM.take_while(odd), STREAM.zip(STREAM), STREAM.count(),
        STREAM.min(), STREAM.max(), STREAM.sum(), STREAM.sum(1), STREAM.max(default=1), STREAM.group_by(odd, limit=2),
    ]  # fmt: skip
    prints = [compile(plan).fingerprint for plan in plans]

    assert None not in prints
    assert len(set(prints)) == len(plans)
