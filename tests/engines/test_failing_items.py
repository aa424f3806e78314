"""Items that fail and do not end the run: the same on every runtime, optimised or not."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from daglite import Failed, Retry, compile, item_seed, task
from daglite.exceptions import (
    ParameterError,
    TaskFailedError,
    TooManyFailuresError,
    TransferError,
    failure_of,
)
from daglite.options import RuntimeName
from tests.engines.local.choosing import at
from tests.samples import DIVISION_BY_ZERO, Memory, double, fold, minus, odd, rows

pytestmark = pytest.mark.timeout(60)
PLAIN_TOO = pytest.mark.parametrize("optimize", [True, False])


class Refused(ValueError):
    def __init__(self, what: str, value: int) -> None:
        super().__init__(f"{what} {value}")
        self.value = value


@task
def no_threes(x: int) -> int:
    if x % 3 == 0:
        raise Refused("three times", x // 3)
    return x


@task
async def later_no_threes(x: int) -> int:
    if x % 3 == 0:
        raise Refused("three times", x // 3)
    return x


@task
def choosy(x: int) -> bool:
    if x % 3 == 0:
        raise Refused("three times", x // 3)
    return x % 2 == 0


def told(failed: Failed[Any]) -> int:
    """As a handler: a number that says which item it was, and what the task was given."""
    assert isinstance(failed.error, Refused)
    assert failed.failure.traceback.rstrip().endswith(f"Refused: {failed.error}")
    return -100 * (failed.index or 0) - int(failed.item)


@PLAIN_TOO
@pytest.mark.parametrize("given", [no_threes, later_no_threes], ids=["plain", "async"])
def test_skipped_items_leave_a_gap(runtime: RuntimeName, optimize: bool, given: Any) -> None:
    store = Memory()
    stream = rows.iter(n=8).then(double).then(given.with_options(on_error="skip")).save("kept{iteration_index}")
    plan = compile(stream.then(double), optimize=optimize)

    assert plan.run(runtime=runtime, workers=2, store=store) == [4, 8, 16, 20, 28]
    assert [key for key, _ in store.saved] == ["kept1", "kept2", "kept4", "kept5", "kept7"]


@PLAIN_TOO
def test_a_handler_gives_what_takes_the_place_of_the_result(runtime: RuntimeName, optimize: bool) -> None:
    mended = no_threes.with_options(on_error=told)
    plan = compile(rows.iter(n=12).filter(odd).then(double).then(mended).then(double), optimize=optimize)
    # Item 3 is 6 when it fails, item 9 is 18.
    assert plan.run(runtime=runtime, workers=2) == [4, -612, 20, 28, -1836, 44]


@PLAIN_TOO
def test_attempts_keep_what_failed_and_let_it_by(runtime: RuntimeName, optimize: bool) -> None:
    stream = rows.iter(n=10).filter(odd).attempt(no_threes).attempt(double)
    found = compile(stream, optimize=optimize).run(runtime=runtime, workers=2)

    assert [one for one in found if not isinstance(one, Failed)] == [2, 10, 14]
    lost = [one for one in found if isinstance(one, Failed)]
    assert [(one.index, one.item, one.task, one.error.value) for one in lost if isinstance(one.error, Refused)] == [
        (3, 3, "no_threes", 1),
        (9, 9, "no_threes", 3),
    ]
    assert all(one.error.__traceback__ is None and "in no_threes" in one.failure.traceback for one in lost)


@PLAIN_TOO
def test_filters_skip_or_ask_a_handler(runtime: RuntimeName, optimize: bool) -> None:
    skips = compile(rows.iter(n=9).filter(choosy.with_options(on_error="skip")), optimize=optimize)
    asks = compile(rows.iter(n=9).filter(choosy.with_options(on_error=told)), optimize=optimize)
    assert skips.run(runtime=runtime, workers=2) == [2, 4, 8]
    # What it gives is no bool, and true but for item 0.
    assert asks.run(runtime=runtime, workers=2) == [2, 3, 4, 6, 8]


@PLAIN_TOO
@pytest.mark.parametrize("fluent", [True, False])
def test_a_take_behind_a_skip_takes_what_came_through(runtime: RuntimeName, optimize: bool, fluent: bool) -> None:
    given = no_threes.with_options(on_error="skip")
    stream = rows.iter(n=40).then(given) if fluent else given.map(x=range(40))
    store = Memory()
    plan = compile(stream.save("{iteration_index}").then(double).take(3), optimize=optimize)
    assert plan.run(runtime=runtime, workers=2, store=store) == [2, 4, 8]
    if fluent and optimize:
        assert [key for key, _ in store.saved] == ["1", "2", "4"]


@PLAIN_TOO
def test_mapped_values_reach_a_handler_together(runtime: RuntimeName, optimize: bool) -> None:
    def both(failed: Failed[Any]) -> object:
        return failed.item, failed.index

    broken = task(lambda x, y: x // y, name="broken", on_error=both)
    plan = compile(broken.map(x=[1, 2, 3], y=[1, 0, 2]), optimize=optimize)
    assert plan.run(runtime=runtime, workers=2) == [1, ((2, 0), 1), 1]


def test_single_calls_and_joins_have_handlers_too(runtime: RuntimeName) -> None:
    def what(failed: Failed[Any]) -> object:
        return failed.task, failed.index, failed.item, str(failed.error)

    # What they give is no int.
    lone: Any = task(lambda: 1 // 0, name="lone", on_error=what)
    chained: Any = task(lambda x: 1 // 0, name="chained", on_error=what)
    assert lone().run(runtime=runtime) == ("lone", None, None, DIVISION_BY_ZERO)
    assert minus(a=5, b=2).then(chained).run(runtime=runtime)[1:3] == (None, 3)
    assert rows.iter(n=2).join(chained).run(runtime=runtime)[:3] == ("chained", None, [0, 1])


def test_a_handler_that_fails_ends_the_run(runtime: RuntimeName) -> None:
    def worse(failed: Failed[Any]) -> object:
        raise KeyError(failed.index)

    with pytest.raises(KeyError, match="3") as caught:
        rows.iter(n=9, start=1).then(no_threes.with_options(on_error=worse)).run(runtime=runtime, workers=2)
    facts = failure_of(caught.value)
    assert facts is not None
    assert (facts.task, facts.index) == ("no_threes", 2)


@PLAIN_TOO
def test_more_failures_than_allowed_end_the_run(runtime: RuntimeName, optimize: bool) -> None:
    plan = compile(rows.iter(n=30).attempt(no_threes).then(shown_or_not), optimize=optimize)
    assert plan.run(runtime=runtime, workers=2, max_failures=10) == plan.run(runtime="inline")
    with pytest.raises(TooManyFailuresError, match=r"^more items failed than `max_failures=9` allows; the last: task"):
        plan.run(runtime=runtime, workers=2, max_failures=9)
    with pytest.raises(TooManyFailuresError, match=r"task 'no_threes', item 0: Refused: three times 0") as caught:
        plan.run(runtime=runtime, workers=1, max_failures=0)
    facts = failure_of(caught.value)
    assert facts is not None
    assert (facts.task, facts.index) == ("no_threes", 0)


@task
def shown_or_not(x: int | Failed[int]) -> str:
    return "lost" if isinstance(x, Failed) else str(x)


def test_failures_behind_the_last_item_taken_do_not_count(runtime: RuntimeName) -> None:
    given = no_threes.with_options(on_error="skip")
    plan = compile(rows.iter(n=5000).then(given).take(1))
    assert plan.run(runtime=runtime, workers=2, max_failures=1) == [1]


@pytest.mark.parametrize("moves", [1, 7, 40])
@pytest.mark.parametrize("answer", ["threads", "processes"])
def test_failures_are_counted_once_when_the_stream_moves(moves: int, answer: Any) -> None:
    plan = compile(rows.iter(n=90).then(no_threes.with_options(on_error="skip")))
    assert len(plan.run(runtime=at(moves, answer, workers=2), max_failures=30)) == 60
    with pytest.raises(TooManyFailuresError, match="max_failures=29"):
        plan.run(runtime=at(moves, answer, workers=2), max_failures=29)


def test_what_was_skipped_is_said_once(runtime: RuntimeName, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="daglite"):
        rows.iter(n=9).then(no_threes.with_options(on_error="skip")).attempt(double).run(runtime=runtime, workers=2)
    (said,) = [record.getMessage() for record in caplog.records if "skipped" in record.getMessage()]
    assert said == (
        "items skipped because a task failed: 3 ('no_threes' 3); the first: task 'no_threes', item 0: "
        "Refused: three times 0"
    )


def locked(x: int) -> Any:
    """Something that no process can send."""
    return threading.Lock() if x == 1 else x


def no_locks(x: object) -> object:
    if not isinstance(x, int):
        error = ValueError("locked")
        error.lock = x  # type: ignore[attr-defined]
        raise error
    return x


@pytest.mark.parametrize("runtime", ["processes", "auto"])
def test_what_cannot_travel_is_left_behind(runtime: RuntimeName) -> None:
    plan = compile(rows.iter(n=3).then(task(locked)).attempt(task(no_locks)))
    first, lost, last = plan.run(runtime=runtime, workers=1)
    assert (first, last) == (0, 2)
    assert isinstance(lost, Failed)
    assert not lost.kept
    assert isinstance(lost.error, TaskFailedError)
    assert str(lost.error).startswith("ValueError: locked (it cannot be pickled: ")
    with pytest.raises(TransferError, match="it cannot be sent back from its worker"):
        _ = lost.item


def test_exits_are_no_failures_of_an_item(runtime: RuntimeName) -> None:
    leaves = task(lambda x: exit(3), name="leaves", on_error="skip")
    with pytest.raises(TaskFailedError, match="SystemExit"):
        rows.iter(n=3).then(leaves).run(runtime=runtime, workers=1)


any_task: Any = task


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: no_threes.with_options(on_error="skip")(x=1), r"'no_threes' has `on_error` 'skip', which `a call`"),
        (lambda: minus(a=1, b=2).then(no_threes.with_options(on_error="skip")), r"'skip', which `then` cannot keep"),
        (lambda: rows.iter(n=1).join(task(len, on_error="skip")), r"'skip', which `join` cannot keep"),
        (lambda: rows.iter(n=1).reduce(fold.with_options(on_error=told), initial=0), r"'told', which `reduce` cannot"),
        (lambda: rows.with_options(on_error="skip").iter(n=1), r"'skip', which `iter` cannot keep: a generator"),
        (lambda: rows.with_options(on_error=told)(n=1), r"'told', which `a call` cannot keep"),
        (
            lambda: any_task(on_error="drop"),
            r"must be 'raise', 'skip', or a function of a `daglite.Failed`; got 'drop'",
        ),
        (
            lambda: any_task(on_error="keep"),
            r"must be 'raise', 'skip', or a function of a `daglite.Failed`; got 'keep'",
        ),
        (lambda: any_task(on_error=lambda: 1), r"`on_error` calls '<lambda>' with a `daglite.Failed` alone: too many"),
        (lambda: any_task(on_error=minus.partial(a=1)), r"`on_error` takes a task with nothing fixed"),
        (lambda: any_task(on_error=task(told, retries=1)), r"must be a plain function without options, of one"),
        (lambda: any_task(on_error=later_no_threes), r"must be a plain function without options, of one"),
    ],
)
def test_what_cannot_be_kept_is_refused_when_built(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        build()


# Attempts.


def test_only_the_errors_meant_are_tried_again(runtime: RuntimeName) -> None:
    seen: list[int] = []

    def shaky(x: int) -> int:
        seen.append(x)
        raise (ConnectionError if len(seen) == 1 else KeyError)(x)

    hopeful = task(shaky, retries=Retry(attempts=9, first_delay=0, on=(ConnectionError,)))
    with pytest.raises(KeyError, match="0") as caught:
        rows.iter(n=1).then(hopeful).run(runtime=runtime, workers=1)
    facts = failure_of(caught.value)
    assert facts is not None
    assert facts.attempt == 2


def test_every_wait_is_the_one_told_beforehand(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    retry = Retry(attempts=3, first_delay=7, factor=2)
    stubborn = task(lambda x: 1 // 0, name="stubborn", retries=retry, on_error="skip")
    for optimize in (True, False):
        assert (
            compile(rows.iter(n=2).filter(task(lambda x: x == 1)).then(stubborn), optimize=optimize).run(
                runtime="inline"
            )
            == []
        )
    assert len(waits) == 4
    assert waits[:2] == waits[2:]
    assert 3.5 <= waits[0] <= 7 <= waits[1] <= 14


def test_async_tasks_wait_on_their_loop(runtime: RuntimeName) -> None:
    seen: list[int] = []

    async def shaky(x: int) -> int:
        seen.append(x)
        if len(seen) == 1:
            raise ConnectionError
        return len(seen)

    hopeful = task(shaky, retries=Retry(first_delay=0.01))
    assert rows.iter(n=1).then(hopeful).run(runtime=runtime, workers=1) == [2]


def test_generators_begin_again(runtime: RuntimeName) -> None:
    seen: list[int] = []

    def shaky(n: int) -> Iterator[int]:
        seen.append(n)
        if len(seen) < 3:
            raise ConnectionError(f"number {len(seen)}")
        yield from range(n)

    hopeful = task(shaky, retries=Retry(attempts=3, first_delay=0.01, on=(ConnectionError,)))
    assert hopeful(n=2).run(runtime=runtime, workers=1) == [0, 1]
    seen.clear()
    assert hopeful.iter(n=2).run(runtime=runtime) == [0, 1]
    seen.clear()
    with pytest.raises(ConnectionError, match="number 1"):
        hopeful.with_options(retries=Retry(attempts=3, first_delay=0, on=(KeyError,)))(n=2).run(runtime=runtime)


def test_a_thread_that_waits_ends_with_its_run(caplog: pytest.LogCaptureFixture) -> None:
    waiting = threading.Event()

    def shaky(x: int) -> int:
        if x == 1:
            waiting.set()
            raise ConnectionError
        assert waiting.wait(20)
        raise KeyError(x)

    hopeful = task(shaky, retries=Retry(first_delay=50, jitter=0, on=(ConnectionError,)))
    with pytest.raises(KeyError, match="0"):
        rows.iter(n=2).then(hopeful).run(runtime="threads", workers=2)
    # Otherwise: a call still goes on.
    assert not caplog.records


@PLAIN_TOO
def test_coroutines_on_one_loop_fail_each_for_itself(optimize: bool) -> None:
    tries: dict[int, int] = {}

    async def fetch(x: int) -> tuple[int, int]:
        tries[x] = tries.get(x, 0) + 1
        await asyncio.sleep(0.001 * (x % 5))
        if x == 5 and tries[x] == 1:
            raise ConnectionError(x)
        if x % 7 == 0:
            raise ValueError(x)
        return x, item_seed()

    waiting = task(fetch, on="threads", timeout=0.3, retries=Retry(attempts=2, first_delay=0.01, on=(OSError,)))
    plan = compile(rows.iter(n=20).filter(odd, by=4).attempt(waiting), optimize=optimize)
    found = plan.run(seed=3, max_failures=3)

    lost = [one for one in found if isinstance(one, Failed)]
    assert [(one.index, type(one.error).__name__, one.failure.attempt) for one in lost] == [
        (7, "ValueError", 1),
        (14, "ValueError", 1),
    ]
    good = [one for one in found if not isinstance(one, Failed)]
    assert [x for x, _ in good] == [1, 2, 3, 5, 6, 9, 10, 11, 13, 15, 17, 18, 19]
    assert good == [one for one in plan.run(runtime="inline", seed=3) if not isinstance(one, Failed)]
    with pytest.raises(TooManyFailuresError, match="max_failures=1"):
        plan.run(max_failures=1)


@PLAIN_TOO
def test_a_coroutine_over_its_limit_fails_like_any_other(optimize: bool) -> None:
    async def slow(x: int) -> int:
        await asyncio.sleep(60 if x == 2 else 0)
        return x

    waiting = task(slow, on="threads", timeout=0.2, retries=1, on_error=lambda failed: -failed.failure.attempt)
    assert compile(rows.iter(n=4).then(waiting), optimize=optimize).run() == [0, 1, -2, 3]


def test_failures_behind_the_end_of_an_operation_do_not_count(runtime: RuntimeName) -> None:
    given = no_threes.with_options(on_error="skip")
    plan = compile(rows.iter(n=900).then(given).batch(2).take(1))
    assert plan.run(runtime=runtime, workers=2, max_failures=1) == [[1, 2]]


def test_a_result_that_would_come_in_pieces_comes_as_a_whole(runtime: RuntimeName) -> None:
    def many(x: int) -> Iterator[int]:
        yield from range(3000)
        if x == 1:
            raise ValueError(x)

    stream = rows.iter(n=3).flat_map(task(many, on_error=lambda failed: [failed.index]))
    assert stream.count().run(runtime=runtime, workers=2) == 6001
