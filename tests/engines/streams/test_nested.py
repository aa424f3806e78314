"""Streams that are pulled by a zip, on every runtime: in step, bounded, ended with it; and what a failure tells."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, get_args

import pytest

from daglite import compile, task
from daglite.exceptions import failure_of
from daglite.observe import Report
from daglite.options import RuntimeName
from tests.samples import Memory, double, fold, rows, shown

pytestmark = pytest.mark.timeout(60)
EVERYWHERE = pytest.mark.parametrize("runtime", get_args(RuntimeName))
WORKERS = pytest.mark.parametrize("runtime", ["threads", "processes", "auto"])


@task
def fails_at(x: Any, bad: Any) -> int:
    if x == bad:
        raise ValueError(x)
    return int(x)


@task
def same(x: Any) -> Any:
    return x


@task
def sum_of(x: Any) -> int:
    return int(x[0] + x[1])


class Source:
    """A source that notes what it was asked for, and when it ends."""

    def __init__(self, n: int | None = None) -> None:
        self.log: list[object] = []
        self.closed = threading.Event()
        self._n = n

    def stream(self) -> Any:
        @task
        def numbers() -> Iterator[int]:
            try:
                for number in itertools.count() if self._n is None else range(self._n):
                    self.log.append(number)
                    yield number
            finally:
                self.log.append("closed")
                self.closed.set()

        return numbers.iter()

    @property
    def asked(self) -> int:
        return len(self.log) - self.log.count("closed")


SHAPES: dict[str, Callable[[Any, Any], Any]] = {
    "two sources": lambda one, other: one.zip(other),
    "a task on the pairs": lambda one, other: one.zip(other).then(same),
    "tasks on the other": lambda one, other: one.zip(other.then(same)).then(same),
    "tasks on the first": lambda one, other: one.then(same).zip(other).then(same),
    "tasks on both": lambda one, other: one.then(same).zip(other.then(same)),
    "tasks everywhere": lambda one, other: one.then(same).zip(other.then(same)).then(same),
    "tasks in several places": lambda one, other: (
        one.then(same.with_options(on="coordinator")).zip(other.then(same.with_options(on="threads"))).then(same)
    ),
}
EACH_SHAPE = pytest.mark.parametrize("shape", SHAPES)


@EVERYWHERE
@EACH_SHAPE
@pytest.mark.parametrize("window", [None, 1, 5])
def test_both_sources_end_with_the_shorter_one(runtime: RuntimeName, shape: str, window: int | None) -> None:
    """One of them has no end."""
    for sizes in ((None, 7), (7, None), (0, None), (None, 0)):
        one, other = Source(sizes[0]), Source(sizes[1])
        plan = compile(SHAPES[shape](one.stream(), other.stream()), max_in_flight=window)

        assert plan.run(runtime=runtime, workers=2) == [(x, x) for x in range(min(n for n in sizes if n is not None))]
        for source in (one, other):
            # What was never asked for an item has not begun, and need not end.
            assert source.log[-1:] in (["closed"], [])
            assert source.log.count("closed") <= 1
            assert window is None or source.asked <= 7 + 1 + window


@EVERYWHERE
@EACH_SHAPE
def test_head_of_pairs_asks_both_sources_for_no_more(runtime: RuntimeName, shape: str) -> None:
    one, other = Source(), Source()
    stream = SHAPES[shape](one.stream(), other.stream()).take(5)

    assert stream.run(runtime=runtime, workers=2) == [(x, x) for x in range(5)]
    assert one.log == other.log == [0, 1, 2, 3, 4, "closed"]


@EVERYWHERE
@EACH_SHAPE
def test_abandoned_stream_ends_both_sources(runtime: RuntimeName, shape: str) -> None:
    one, other = Source(), Source()
    with compile(SHAPES[shape](one.stream(), other.stream()), max_in_flight=4).stream(
        runtime=runtime, workers=2
    ) as items:
        assert [next(items), next(items)] == [(0, 0), (1, 1)]

    assert one.log[-1] == other.log[-1] == "closed"
    assert max(one.asked, other.asked) <= 2 + 4


@EVERYWHERE
def test_failure_of_the_other_stream_names_its_item_and_ends_the_first(runtime: RuntimeName) -> None:
    one, folded = Source(), []

    @task
    def keep(count: int, item: Any) -> int:
        folded.append(item)
        return count + 1

    stream = one.stream().then(same).zip(rows.iter(n=9).then(fails_at, bad=3)).reduce(keep, initial=0)
    with pytest.raises(ValueError, match="3") as caught:
        stream.run(runtime=runtime, workers=2)
    failure = failure_of(caught.value)

    assert failure is not None
    assert (failure.task, failure.index, failure.item) == ("fails_at", 3, "3")
    assert folded == [(0, 0), (1, 1), (2, 2)]
    assert one.log[-1] == "closed"


@EVERYWHERE
def test_source_that_fails_beside_names_its_task(runtime: RuntimeName) -> None:
    @task
    def broken() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    one = Source()
    for stream in (one.stream().zip(broken.iter()).then(same), broken.iter().then(same).zip(one.stream())):
        with pytest.raises(OSError, match="gone") as caught:
            stream.run(runtime=runtime, workers=2)
        failure = failure_of(caught.value)

        assert failure is not None
        assert (failure.task, failure.index) == ("broken", None)
        assert one.log[-1] == "closed"


@EVERYWHERE
def test_failure_behind_the_last_pair_is_nobodys_business(runtime: RuntimeName) -> None:
    ends = [
        rows.iter(n=3).zip(rows.iter(n=9).then(fails_at, bad=3)),
        rows.iter(n=3).then(same).zip(rows.iter(n=9).then(fails_at, bad=4)).then(same),
        # The first stream is asked before it is known that the other is over.
        rows.iter(n=9).then(fails_at, bad=4).zip(rows.iter(n=3).then(same)).then(same),
    ]
    for stream in ends:
        assert stream.run(runtime=runtime, workers=2) == [(0, 0), (1, 1), (2, 2)]


@WORKERS
@pytest.mark.parametrize("helper", [True, False])
def test_failed_pair_ends_streams_that_would_never_give_another(runtime: RuntimeName, helper: bool) -> None:
    """They pull on and on, as nothing comes through: whoever wants their items has failed."""

    @task
    def first_only(x: int) -> bool:
        return x == 0

    @task
    def fails_late(x: Any) -> int:
        time.sleep(0.1)
        raise ValueError(x)

    one, other = Source(), Source()
    stream = one.stream().filter(first_only).zip(other.stream().then(same)).then(fails_late)
    with pytest.raises(ValueError, match="0"):
        compile(stream, helper_thread=helper).run(runtime=runtime, workers=2)

    assert one.log[-1] == other.log[-1] == "closed"


@EVERYWHERE
def test_saves_of_both_streams_and_of_pairs_are_made_in_order(runtime: RuntimeName) -> None:
    store = Memory()
    one = rows.iter(n=3).save("a{iteration_index}").then(double).save("b{iteration_index}")
    other = rows.iter(n=3).save("c{iteration_index}").then(double).save("d{iteration_index}")
    one.zip(other).save("e{iteration_index}").then(sum_of).save("f{iteration_index}").run(
        runtime=runtime, workers=2, store=store
    )

    for letter, wanted in {
        "a": [0, 1, 2],
        "b": [0, 2, 4],
        "c": [0, 1, 2],
        "d": [0, 2, 4],
        "e": [(0, 0), (2, 2), (4, 4)],
        "f": [0, 4, 8],
    }.items():
        assert [value for key, value in store.saved if key[0] == letter] == wanted


@pytest.mark.parametrize("runtime", ["processes", "auto"])
@pytest.mark.parametrize("shape", [shape for shape in SHAPES if "places" not in shape])
def test_one_buffer_is_captured_as_it_is_yielded(runtime: RuntimeName, shape: str) -> None:
    @task
    def buffers() -> Iterator[list[int]]:
        buffer = [0]
        for number in range(5):
            buffer[0] = number
            yield buffer

    stream = SHAPES[shape](buffers.iter(), buffers.iter()).batch(5)

    assert stream.run(runtime=runtime, workers=2) == [[([x], [x]) for x in range(5)]]


@EVERYWHERE
def test_stream_beside_one_that_it_reads_itself(runtime: RuntimeName) -> None:
    stream = rows.iter(n=40)
    streams: list[Any] = [stream.zip(stream), stream.zip(stream.then(same)), stream.then(same).zip(stream.then(same))]
    for zipped in streams:
        assert zipped.then(same).run(runtime=runtime, workers=2) == [(x, x) for x in range(40)]


@EVERYWHERE
def test_stream_beside_one_whose_sum_it_needs(runtime: RuntimeName) -> None:
    @task
    def over(x: int, by: Any) -> int:
        return x + int(by)

    stream = rows.iter(n=4).then(same)
    stream = stream.zip(rows.iter(n=4).then(over, by=stream.sum())).then(sum_of)

    assert stream.run(runtime=runtime, workers=2) == [6, 8, 10, 12]


@EVERYWHERE
def test_zips_of_zips_are_pulled_one_through_the_other(runtime: RuntimeName) -> None:
    def stream(depth: int) -> Any:
        if not depth:
            return rows.iter(n=30).then(same)
        return stream(depth - 1).zip(stream(depth - 1)).then(sum_of)

    assert compile(stream(3), max_in_flight=3).run(runtime=runtime, workers=2) == [8 * x for x in range(30)]


@WORKERS
@pytest.mark.parametrize("place", ["first", "other"])
def test_pairs_go_on_while_a_source_keeps_its_caller(runtime: RuntimeName, place: str) -> None:
    """It gives the next item when the first pair has been folded."""
    folded, stuck = threading.Event(), []

    @task
    def slow() -> Iterator[int]:
        yield 1
        stuck.append(not folded.wait(20))
        yield 2

    @task
    def add(total: int, item: Any) -> int:
        folded.set()
        return total + int(item)

    pairs = [rows.iter(n=2).then(same), slow.iter()]
    one, other = pairs if place == "other" else pairs[::-1]
    stream = one.zip(other).then(sum_of).reduce(add, initial=0)

    assert stream.run(runtime=runtime, workers=2) == 4
    assert stuck == [False]


@pytest.mark.parametrize("helper", [True, False])
def test_stream_beside_goes_on_while_another_is_waited_for(helper: bool) -> None:
    """The second item of the first stream is under way when the other stream is asked, and is saved meanwhile."""
    second, asked, saved, late = threading.Event(), threading.Event(), threading.Event(), []

    @task
    def work(x: int) -> int:
        if x == 0:
            late.append(not second.wait(20))
        if x == 1:
            second.set()
            late.append(not asked.wait(20))
        return x

    @task
    def beside(x: int) -> int:
        if x == 0:
            asked.set()
            late.append(not saved.wait(20))
        return x

    class Store:
        def save(self, key: str, value: object) -> None:
            if value == 1:
                saved.set()

    first = rows.iter(n=3).then(work).save("{iteration_index}", save_store=Store())
    plan = compile(first.zip(rows.iter(n=3).then(beside)).then(sum_of), helper_thread=helper, max_batch_size=1)

    assert plan.run(runtime="threads", workers=4) == [0, 2, 4]
    assert late == [False] * 3


@pytest.mark.parametrize("sizes", [(None, 2), (2, None)])
@pytest.mark.parametrize("shape", ["a task on the pairs", "tasks everywhere"])
def test_both_sources_are_closed_while_the_last_pair_is_worked_on(
    sizes: tuple[int | None, int | None], shape: str
) -> None:
    one, other = Source(sizes[0]), Source(sizes[1])
    late = []

    @task
    def last(pair: tuple[int, int]) -> tuple[int, int]:
        if pair == (1, 1):
            late.append(not one.closed.wait(20) or not other.closed.wait(20))
        return pair

    SHAPES[shape](one.stream(), other.stream()).then(last).run(runtime="threads", workers=2)

    assert late == [False]


@pytest.mark.parametrize("runtime", ["threads", "processes"])
def test_streams_are_pulled_without_the_helper_thread(runtime: RuntimeName) -> None:
    stream = rows.iter(n=50).then(same).zip(rows.iter(n=50).then(double)).then(sum_of)

    assert compile(stream, helper_thread=False, max_in_flight=3).run(runtime=runtime, workers=2) == [
        3 * x for x in range(50)
    ]


def test_worker_that_dies_beside_is_replaced() -> None:
    @task
    def dies_once(x: int, mark: Any) -> int:
        if x == 20:
            try:
                os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return x
            os.kill(os.getpid(), signal.SIGKILL)
        return x

    mark = f"/tmp/daglite-beside-{os.getpid()}"
    try:
        stream = rows.iter(n=40).then(same).zip(rows.iter(n=40).then(dies_once, mark=mark)).then(sum_of)
        assert stream.run(workers=2) == [2 * x for x in range(40)]
    finally:
        os.unlink(mark)


@WORKERS
def test_single_calls_beside_pulled_streams_are_seen_to(runtime: RuntimeName) -> None:
    @task
    def both(pairs: Any, one: Any, other: Any) -> tuple[int, int, int]:
        return len(pairs), one, other

    stream = rows.iter(n=200).then(same).zip(rows.iter(n=200).then(same))
    call = both(pairs=stream, one=same(x=1), other=same(x=same(x=2)))

    assert call.run(runtime=runtime, workers=2) == (200, 1, 2)


@EVERYWHERE
def test_report_counts_each_stream_by_itself(runtime: RuntimeName) -> None:
    report = Report()
    one, other = rows.iter(n=20).then(same), rows.iter(n=30).then(double).take(20)
    one.zip(other).then(sum_of).reduce(fold, initial=0).run(runtime=runtime, workers=2, observers=[report])
    returned = {step.task: step.items_out for step in report.steps if step.task in ("same", "double", "sum_of")}

    assert returned == {"same": 20, "double": 20, "sum_of": 20}


@pytest.mark.parametrize("runtime", ["threads", "processes"])
def test_explain_says_who_pulls_and_the_first_stream_is_no_list(runtime: RuntimeName) -> None:
    text = compile(rows.iter(n=3).then(double).zip(rows.iter(n=3).then(double)).then(shown)).explain()

    assert text.count("pulled by #4") == 2
    assert "materialised" not in text
