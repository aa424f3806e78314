"""One failed item again, in this process."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from daglite import Failed, Plan, compile, item_seed, task
from daglite.exceptions import ExecutionError, Failure, ReplayRecord, TaskError, TransferError, failure_of
from daglite.options import RuntimeName
from tests.samples import Memory, double, odd, rows, scale

pytestmark = pytest.mark.timeout(60)
PLAIN_TOO = pytest.mark.parametrize("optimize", [True, False])


@task
def offset() -> int:
    return 100


@task
def refuse(x: Any, k: Any, bad: int = 106) -> int:
    if x + k == bad:
        raise ValueError(f"{x} + {k}, drawn {item_seed()}")
    return int(x + k)


def failing(plan: Plan[Any], **options: Any) -> BaseException:
    with pytest.raises(ValueError, match="6") as caught:
        plan.run(workers=2, **options)
    return caught.value


@PLAIN_TOO
def test_the_item_goes_again_to_the_step_that_failed(runtime: RuntimeName, optimize: bool) -> None:
    stream = rows.iter(n=9).filter(odd).then(double).then(refuse, k=offset()).then(double)
    plan = compile(stream, optimize=optimize)
    error = failing(plan, runtime=runtime, seed=4)

    given: Any
    for given in (error, failure_of(error), pickle.loads(pickle.dumps(failure_of(error)))):
        with pytest.raises(ValueError, match="6") as again:
            plan.replay(given)
        assert str(again.value) == str(error)
        facts = failure_of(again.value)
        assert facts is not None
        assert (facts.task, facts.index, facts.worker) == ("refuse", 3, None)
        frames = []
        walk = again.value.__traceback__
        while walk is not None:
            frames.append(walk.tb_frame)
            walk = walk.tb_next
        # What a debugger shows first.
        assert (frames[-1].f_code.co_name, frames[-1].f_locals["x"]) == ("refuse", 6)


@PLAIN_TOO
def test_a_failed_item_goes_to_its_task_alone(runtime: RuntimeName, optimize: bool) -> None:
    calls: list[int] = []

    def before(x: int) -> int:
        calls.append(os.getpid())
        return 2 * x

    plan = compile(rows.iter(n=9).then(task(before)).attempt(refuse, k=offset()), optimize=optimize)
    (lost,) = (one for one in plan.run(runtime=runtime, workers=2) if isinstance(one, Failed))
    calls.clear()
    with pytest.raises(ValueError, match="6 ") as again:
        plan.replay(lost)
    assert str(again.value) == str(lost.error)
    assert not calls


def test_nothing_is_saved_tried_again_or_made_of_an_error() -> None:
    tries: list[int] = []

    def shaky(x: int) -> int:
        tries.append(x)
        raise ValueError(x)

    seen: list[Failed[Any]] = []

    def noted(failed: Failed[Any]) -> int:
        seen.append(failed)
        return 0

    handled = task(shaky, retries=3, on_error=noted)
    store = Memory()
    plan = compile(rows.iter(n=1).save("{iteration_index}").then(double).save("d{iteration_index}").then(handled))
    plan.run(runtime="inline", store=store)
    store.saved.clear()
    tries.clear()
    with pytest.raises(ValueError, match="0"):
        plan.replay(seen[0])
    assert (len(tries), len(seen), store.saved) == (1, 1, [])


def test_a_task_that_was_mended_gives_its_value() -> None:
    broken = {"yes"}
    picky = task(lambda x: 1 // 0 if broken else x * 10, name="picky")
    plan = compile(rows.iter(n=3, start=4).then(picky))
    with pytest.raises(ZeroDivisionError, match="by zero") as caught:
        plan.run(runtime="inline")
    broken.clear()
    assert plan.replay(caught.value) == 40


def test_filters_and_single_calls_can_be_replayed(runtime: RuntimeName) -> None:
    def no_four(x: int) -> bool:
        if x == 4:
            raise ValueError("64")
        return True

    plan: Plan[Any] = compile(rows.iter(n=9).then(double).filter(task(no_four)))
    with pytest.raises(ValueError, match="64"):
        plan.replay(failing(plan, runtime=runtime))
    single: Plan[Any] = compile(scale(x=offset()).then(refuse, k=6, bad=1006))
    with pytest.raises(ValueError, match="1000"):
        single.replay(failing(single, runtime=runtime))


def buffers(size: int) -> Iterator[bytearray]:
    yield bytearray(b"6" * size)


@pytest.mark.parametrize("runtime", ["processes", "threads"])
def test_an_item_that_is_too_large_is_not_kept(runtime: RuntimeName) -> None:
    plan: Plan[Any] = compile(task(buffers).iter(size=2_000_000).then(task(lambda x: int(x[:2] + b"x"), name="number")))
    error = failing(plan, runtime=runtime)
    with pytest.raises(TransferError, match=r"^the item was not kept: its 2000\d+ bytes are more than 1048576$"):
        plan.replay(error)


def test_a_large_item_is_a_copy_of_its_own(nothing_left: None) -> None:
    # What lies in memory shared with workers would be held by the error.
    plan: Plan[Any] = compile(task(buffers).iter(size=200_000).then(task(lambda x: int(x[:2] + b"x"), name="number")))
    with pytest.raises(ValueError, match="66x"):
        plan.replay(failing(plan, runtime="processes"))


def test_what_has_no_item_says_so() -> None:
    def faulty(n: int) -> Any:
        yield 1
        raise ValueError(6)

    sources: list[Plan[Any]] = [
        compile(task(faulty).iter(n=1).then(double)),
        compile(rows.iter(n=3).reduce(task(lambda acc, x: int("6x"), name="folded"), initial=0)),
        compile(rows.iter(n=3).then(double).join(task(lambda xs: int("6x"), name="joined"))),
    ]
    for plan in sources:
        with pytest.raises(TaskError, match="of which no item is kept; run the plan with runtime='inline'"):
            plan.replay(failing(plan, runtime="inline"))


def test_failures_of_others_are_refused() -> None:
    plan = compile(rows.iter(n=3).then(double))
    with pytest.raises(
        TaskError, match=r"^this plan has no step 1 with task 'else'; give the failure to the plan that"
    ):
        plan.replay(Failure("else", 1, 0))
    with pytest.raises(TransferError, match=r"^the item at which task 'double' failed was not kept$"):
        plan.replay(Failure("double", 1, 0))
    given: Any
    for given in (ValueError("x"), None, "double"):
        with pytest.raises(TaskError, match="`replay` needs the failure of a run"):
            plan.replay(given)


def test_an_item_that_does_not_come_through_this_time_is_told() -> None:
    moods = [False, True]

    @task
    def moody(x: int) -> bool:
        return moods.pop()

    plan: Plan[Any] = compile(rows.iter(n=1, start=6).filter(moody).then(refuse, k=100))
    error = failing(plan, runtime="inline")
    with pytest.raises(ExecutionError, match="the item was dropped before it came to task 'refuse'"):
        plan.replay(error)


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (sys, "it cannot be pickled: TypeError: cannot pickle 'module' object"),
        (b"x" * 2**21, r"its 20971\d\d bytes are more than 1048576"),
    ],
)
def test_a_failure_leaves_behind_what_cannot_travel(item: object, reason: str) -> None:
    failure = Failure("f", kept=ReplayRecord(3, item))
    there = pickle.loads(pickle.dumps(failure))
    assert there == failure
    for one in (there, pickle.loads(pickle.dumps(there))):
        with pytest.raises(TransferError, match=f"^the item was not kept: {reason}$"):
            _ = one.kept.item
