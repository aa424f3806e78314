"""The thread runtime: what is shared, what cannot be stopped and is told, and what a run leaves behind."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from daglite import DatasetStore, compile, task
from daglite.exceptions import ExecutionError, ParameterError, failure_of
from daglite.options import RuntimeName
from daglite.runtime import Threads
from daglite.runtime.dataflow.source import Source
from daglite.runtime.serialization.codec import ReferenceCodec
from tests.tasks import add, count, double

pytestmark = pytest.mark.timeout(60)
ENDLESS = 10**9


@task
def thread_of(_: int) -> int:
    return threading.get_native_id()


# What is shared.


def test_items_and_results_are_the_objects_themselves(nothing_left: None) -> None:
    items = [threading.Lock() for _ in range(50)]

    @task
    def locks() -> Iterator[object]:
        yield from items

    results: Any = locks.iter().then(task(lambda lock: (lock,), name="boxed")).run(runtime="threads", workers=3)
    assert all(box[0] is item for box, item in zip(results, items, strict=True))
    fixed = object()
    assert task(lambda x, y: y, name="second")(x=1, y=fixed).run(runtime="threads") is fixed


def test_tasks_run_on_threads_and_everything_else_on_the_callers(nothing_left: None) -> None:
    here = threading.get_ident()
    seen: dict[str, set[int]] = {"source": set(), "task": set(), "fold": set(), "save": set(), "join": set()}

    class Noting(DatasetStore):
        def save(self, key: str, value: object) -> None:
            seen["save"].add(threading.get_ident())

    @task
    def source() -> Iterator[int]:
        for i in range(200):
            seen["source"].add(threading.get_ident())
            yield i

    @task
    def note(x: int) -> int:
        seen["task"].add(threading.get_ident())
        return x

    @task
    def fold(total: int, x: int) -> int:
        seen["fold"].add(threading.get_ident())
        return total + x

    @task
    def joined(items: list[int]) -> int:
        seen["join"].add(threading.get_ident())
        return len(items)

    items = source.iter().then(note)
    saved = items.save("k_{iteration_index}", save_store=Noting("unused"))
    both = task(lambda a, b: (a, b), name="both")(a=saved.reduce(fold, initial=0), b=items.join(joined))
    # A pull that takes long on a busy machine would bring the helper thread in.
    plan = compile(both, helper_thread=False)
    assert plan.run(runtime="threads", workers=4) == (19900, 200)
    assert here not in seen.pop("task")
    assert seen == {key: {here} for key in seen}
    assert [line.split()[1:3] for line in compile(items).explain().splitlines()[3:4]] == [["+", "workers"]]


def test_no_more_threads_than_asked_for_and_only_as_many_as_needed(nothing_left: None) -> None:
    assert len(set(count.iter(n=300).then(thread_of).run(runtime="threads", workers=3))) <= 3
    assert len(set(count.iter(n=2).then(thread_of).run(runtime="threads", workers=30))) <= 2
    processors = len(os.sched_getaffinity(0))
    lease = Threads().open()
    with lease as session:
        assert session.workers == min(32, processors + 4)


def test_waiting_items_wait_side_by_side(nothing_left: None) -> None:
    meeting = threading.Barrier(16, timeout=20)
    plan = compile(count.iter(n=48).then(task(lambda x: meeting.wait() * 0 + x, name="meet")), max_batch_size=1)
    assert plan.run(runtime="threads", workers=16) == list(range(48))


def test_a_result_that_is_saved_on_the_way_is_what_it_was_then(tmp_path: Path) -> None:
    """Objects are shared, but what a later task does to them must not reach what is saved."""

    @task
    def spoil(box: list[int]) -> int:
        box.append(99)
        return len(box)

    store = DatasetStore(tmp_path)
    boxes = count.iter(n=7).then(task(lambda x: [x], name="boxed")).save("box_{iteration_index}", save_store=store)
    assert boxes.then(spoil).run(runtime="threads", workers=2) == [2] * 7
    assert [store.load(f"box_{i}") for i in range(7)] == [[i] for i in range(7)]


def test_large_items_count_in_the_window_though_they_are_shared() -> None:
    """Bytes alive are bounded by the items' own sizes."""
    folded, worst = [0], [0]

    @task
    def large() -> Iterator[bytes]:
        for i in range(200):
            worst[0] = max(worst[0], i - folded[0])
            yield bytes(1_000_000)

    @task
    def note(total: int, item: bytes) -> int:
        folded[0] += 1
        return total + len(item)

    same = task(lambda x: x, name="same")
    plan = compile(large.iter().then(same).reduce(note, initial=0), max_in_flight_bytes=8_000_000)
    assert plan.run(runtime="threads", workers=4) == 200_000_000
    # 8 MB in the window and 4 MiB in a pull, with an item across each limit.
    assert worst[0] <= 20


def test_an_item_that_grows_leaves_the_window_with_what_it_came_in_with() -> None:
    """Otherwise the bytes of a shared object that changes would stay in the window for ever."""
    item, pending = [0], list[object]()
    source = Source(iter([item, 1]), name="source", number=0, codec=ReferenceCodec())
    source.pull(2, pending, 10**9, watched=False)
    counted = source.nbytes
    item.extend(range(1000))
    assert source.counted_bytes(pending) == counted > 0


place = contextvars.ContextVar("place", default="nowhere")


def test_context_variables_are_the_callers_of_each_run(nothing_left: None) -> None:
    def look(x: int) -> str:
        found = place.get()
        place.set("changed by a task")
        return found

    with Threads(workers=1) as pool:
        for name in ("here", "there"):
            place.set(name)
            seen = count.iter(n=3).then(task(look)).run(runtime=pool)
            assert seen == [name, *["changed by a task"] * 2]
            assert task(look)(x=1).run(runtime=pool) == name
            assert place.get() == name


def test_async_tasks_have_one_loop_for_each_thread(nothing_left: None) -> None:
    meeting = threading.Barrier(3, timeout=20)

    @task
    async def loop_of(x: int) -> tuple[int, int]:
        await asyncio.sleep(0)
        meeting.wait()
        return threading.get_ident(), id(asyncio.get_running_loop())

    pairs = set(compile(count.iter(n=30).then(loop_of), max_batch_size=1).run(runtime="threads", workers=3))
    assert len({thread for thread, _ in pairs}) == len({loop for _, loop in pairs}) == len(pairs) == 3


# Generators and single calls.


def test_generators_and_single_calls_run_on_threads(nothing_left: None) -> None:
    @task
    def whose(n: int) -> Iterator[int]:
        for _ in range(n):
            yield threading.get_ident()

    @task
    async def slowly(n: int) -> AsyncIterator[int]:
        for i in range(n):
            await asyncio.sleep(0)
            yield i

    here = threading.get_ident()
    assert whose.iter(n=2).run(runtime="threads") == [here] * 2
    assert here not in compile(whose.iter(n=2), optimize=False).run(runtime="threads")
    assert here not in whose(n=600).run(runtime="threads")
    assert slowly(n=600).run(runtime="threads") == list(range(600))
    meeting = threading.Barrier(2, timeout=20)
    meet = task(lambda x: meeting.wait() * 0 + x, name="meet")
    pair = task(lambda a, b: (a, b), name="pair")
    assert pair(a=meet(x=1), b=meet(x=2)).run(runtime="threads", workers=2) == (1, 2)


def test_a_retried_generator_starts_again_and_saves_nothing_twice(tmp_path: Path, nothing_left: None) -> None:
    starts: list[int] = []

    @task(retries=1)
    def shaky(n: int) -> Iterator[int]:
        starts.append(n)
        for i in range(n):
            if len(starts) == 1 and i == 400:
                raise KeyError("once")
            yield i

    assert shaky(n=600).run(runtime="threads") == list(range(600))
    assert starts == [600, 600]


def test_runs_inside_a_task_work_on_every_runtime(runtime: RuntimeName, nothing_left: None) -> None:
    def nested(x: int) -> int:
        return count.iter(n=x).then(double).reduce(add, initial=0).run(runtime=runtime, workers=2)

    with Threads(workers=2) as pool:
        assert count.iter(n=4).then(task(nested)).run(runtime=pool) == [0, 0, 2, 6]
        again = task(lambda x: sum(double.map(x=[x, 1]).run(runtime=pool)), name="again")
        assert count.iter(n=3).then(again).run(runtime=pool) == [2, 4, 6]


def test_threads_may_be_used_in_a_worker_process(nothing_left: None) -> None:
    def nested(x: int) -> tuple[int, int, list[int]]:
        return os.getpid(), threading.get_native_id(), double.map(x=[x, x + 1]).then(thread_of).run(runtime="threads")

    found = count.iter(n=3).then(task(nested)).run(workers=1)
    assert all(pid != os.getpid() and thread not in inner for pid, thread, inner in found)


# Errors.


def test_an_error_keeps_its_frames_and_says_which_thread(nothing_left: None) -> None:
    mine: list[ValueError] = []
    threads: list[int] = []

    def fail(x: int) -> int:
        if x == 3:
            mine.append(ValueError("three"))
            threads.append(threading.get_native_id())
            raise mine[0]
        return x

    with pytest.raises(ValueError, match="three") as caught:
        count.iter(n=10).then(task(fail)).run(runtime="threads", workers=2)
    assert caught.value is mine[0]
    assert caught.traceback[-1].name == "fail"
    facts = failure_of(caught.value)
    assert facts is not None
    assert (facts.task, facts.index, facts.item, facts.worker) == ("fail", 3, "3", threads[0])
    assert "raise mine[0]" in facts.traceback


def test_retries_happen_on_the_thread(nothing_left: None) -> None:
    seen = threading.local()

    def hesitate(x: int) -> int:
        seen.last, before = x, getattr(seen, "last", None)
        if before != x:
            raise KeyError("first")
        return x

    assert count.iter(n=100).then(task(hesitate, retries=1)).run(runtime="threads", workers=4) == list(range(100))


# Options.


@pytest.mark.parametrize("name", ["start_method", "max_items_per_worker"])
def test_options_of_processes_are_refused(name: str) -> None:
    options: Any = {"start_method": "fork"} if name == "start_method" else {"max_items_per_worker": 3}
    with pytest.raises(ParameterError, match=f"`{name}` is an option of worker processes, and runtime 'threads' has"):
        count.iter(n=2).run(runtime="threads", **options)
    with pytest.raises(ParameterError, match=f"`{name}` means nothing to the runtime object Threads; leave it out"):
        count.iter(n=2).run(runtime=Threads(), **options)
    with pytest.raises(ParameterError, match=r"`workers` belongs to the runtime object: Threads\(workers=\.\.\.\)"):
        count.iter(n=2).run(runtime=Threads(), workers=3)
    with pytest.raises(ParameterError, match="`workers` must be a whole number >= 1; got 0"):
        Threads(workers=0)


def test_a_system_that_gives_no_more_threads_is_enough(monkeypatch: pytest.MonkeyPatch, nothing_left: None) -> None:
    start, left = threading.Thread.start, [2]

    def few(thread: threading.Thread) -> None:
        if thread.name == "daglite-worker":
            if not left[0]:
                raise RuntimeError("can't start new thread")
            left[0] -= 1
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", few)

    def nap(x: int) -> int:
        time.sleep(0.001)
        return x

    assert count.iter(n=50).then(task(nap)).run(runtime="threads", workers=8) == list(range(50))
    with pytest.raises(ExecutionError, match="no thread can be started for tasks: can't start new thread"):
        count.iter(n=50).then(double).run(runtime="threads", workers=8)


# Logs.


def test_records_of_tasks_say_task_and_item_and_others_do_not(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("speaker")

    def speak(x: int) -> int:
        if x == 5:
            log.warning("five")
        return x

    before = logging.getLogRecordFactory()
    assert count.iter(n=10).then(task(speak)).run(runtime="threads", workers=2) == list(range(10))
    log.warning("mine")
    five, mine = caplog.records
    assert (vars(five)["daglite_task"], vars(five)["daglite_index"]) == ("speak", 5)
    assert vars(five)["daglite_worker"] != os.getpid()
    assert "daglite_task" not in vars(mine)
    assert logging.getLogRecordFactory() is before


def test_a_record_factory_of_the_users_own_set_during_a_run_stays() -> None:
    before = logging.getLogRecordFactory()
    made: list[str] = []

    def install(x: int) -> int:
        below = logging.getLogRecordFactory()

        def own(*args: Any, **kwargs: Any) -> logging.LogRecord:
            made.append(kwargs.get("func") or "")
            return below(*args, **kwargs)

        logging.setLogRecordFactory(own)
        return x

    try:
        task(install)(x=1).run(runtime="threads")
        for _ in range(3):
            assert double(x=1).run(runtime="threads") == 2
        logging.getLogger("quiet").warning("one")
        assert len(made) == 1
    finally:
        logging.setLogRecordFactory(before)
