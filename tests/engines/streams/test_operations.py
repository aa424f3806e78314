"""Operations on every runtime: what they see, when the source is closed, and what a failure tells."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, get_args

import pytest

from daglite import compile, ref, task
from daglite.exceptions import failure_of
from daglite.observe import Report
from daglite.options import RuntimeName
from tests.samples import Memory, double, odd, rows, shown, total

pytestmark = pytest.mark.timeout(60)
EVERYWHERE = pytest.mark.parametrize("runtime", get_args(RuntimeName))
PLAIN_TOO = pytest.mark.parametrize("optimize", [True, False])


@task
def below(x: Any, limit: Any) -> bool:
    return bool(x < limit)


@task
def fails_at(x: Any, bad: Any) -> int:
    if x == bad:
        raise ValueError(x)
    return int(x)


@task
def same(x: list[list[int]]) -> list[list[int]]:
    return x


class Source:
    """A source without an end that notes what it was asked for."""

    def __init__(self) -> None:
        self.log: list[object] = []

    def stream(self) -> Any:
        @task
        def numbers() -> Iterator[int]:
            try:
                for number in itertools.count():
                    self.log.append(number)
                    yield number
            finally:
                self.log.append("closed")

        return numbers.iter()


@EVERYWHERE
@pytest.mark.parametrize("window", [None, 1])
def test_source_is_closed_when_an_operation_beside_it_has_enough(runtime: RuntimeName, window: int | None) -> None:
    ends: list[tuple[Callable[[Any], Any], list[object], int | None]] = [
        (lambda stream: stream.take_while(below, limit=2).then(double), [0, 2], 3),
        (lambda stream: stream.batch(2).take(2).then(total), [1, 5], 4),
        (lambda stream: stream.distinct(odd).take(2).then(double), [0, 2], 2),
        (lambda stream: stream.skip(1).then(double).zip(rows.iter(n=2)).then(shown), ["(2, 0).", "(4, 1)."], None),
    ]
    for ended, wanted, asked in ends:
        source = Source()
        assert compile(ended(source.stream()), max_in_flight=window).run(runtime=runtime, workers=2) == wanted
        *numbers, closed = source.log
        assert closed == "closed"
        assert asked is None or numbers == list(range(asked))


@EVERYWHERE
def test_operation_behind_tasks_ends_an_endless_source(runtime: RuntimeName) -> None:
    """Errors of items behind the end are nobody's business."""
    source = Source()
    stream = source.stream().then(fails_at, bad=9).take_while(below, limit=3).batch(2).then(total)

    assert stream.run(runtime=runtime, workers=2) == [1, 2]
    assert source.log[-1] == "closed"


@EVERYWHERE
@PLAIN_TOO
def test_operation_sees_items_in_order_whatever_the_ending_says(runtime: RuntimeName, optimize: bool) -> None:
    @task
    def slow(x: int) -> int:
        sum(range(20_000 if x % 3 == 0 else 1))
        return x

    @task
    def add(acc: int, x: int) -> int:
        return acc + x

    stream = rows.iter(n=60).then(slow).batch(7).then(total).reduce(add, initial=0, ordered=False)
    pairs = rows.iter(n=60).then(slow).enumerate().then(shown)

    assert compile(stream, optimize=optimize).run(runtime=runtime, workers=3) == sum(range(60))
    assert compile(pairs, optimize=optimize).run(runtime=runtime, workers=3) == [f"({i}, {i})." for i in range(60)]


@EVERYWHERE
@PLAIN_TOO
def test_items_are_numbered_anew_in_saves_and_failures(runtime: RuntimeName, optimize: bool) -> None:
    store = Memory()
    stream = rows.iter(n=9).filter(odd).then(double).skip(1).save("{iteration_index}").then(fails_at, bad=14)
    with pytest.raises(ValueError, match="14") as caught:
        compile(stream, optimize=optimize).run(runtime=runtime, workers=2, store=store)
    failure = failure_of(caught.value)

    assert failure is not None
    assert (failure.task, failure.index, failure.item) == ("fails_at", 2, "14")
    assert store.saved == [("0", 6), ("1", 10), ("2", 14)]


@EVERYWHERE
@PLAIN_TOO
def test_failing_key_names_the_item_that_came(runtime: RuntimeName, optimize: bool) -> None:
    stream = rows.iter(n=9).filter(odd).group_by(fails_at.partial(bad=5)).then(shown)
    with pytest.raises(ValueError, match="5") as caught:
        compile(stream, optimize=optimize).run(runtime=runtime, workers=2)
    failure = failure_of(caught.value)

    assert failure is not None
    assert (failure.task, failure.index, failure.item, failure.worker) == ("fails_at", 2, "5", None)


@PLAIN_TOO
@pytest.mark.parametrize("runtime", ["processes", "auto"])
def test_one_buffer_is_captured_before_it_is_put_into_a_batch(runtime: RuntimeName, optimize: bool) -> None:
    @task
    def buffers() -> Iterator[list[int]]:
        buffer = [0]
        for number in range(4):
            buffer[0] = number
            yield buffer

    streams: list[Any] = [buffers.iter().batch(2), buffers.iter().window(2, 2).then(same).unbatch().batch(4)]
    for stream in streams:
        found = compile(stream, optimize=optimize).run(runtime=runtime, workers=1)
        assert found[0][:2] == [[0], [1]]


@PLAIN_TOO
def test_task_that_changes_its_item_harms_nobody(optimize: bool) -> None:
    """On workers of their own the windows over one item are copies of it."""

    @task
    def emptied(items: list[list[int]]) -> int:
        return len([item.pop() for item in items])

    @task
    def lists(n: int) -> Iterator[list[int]]:
        yield from ([number] for number in range(n))

    assert (
        compile(lists.iter(n=4).window(2).then(emptied), optimize=optimize).run(runtime="processes", workers=1)
        == [2] * 3
    )


@EVERYWHERE
@PLAIN_TOO
def test_accumulators_are_what_they_were_when_they_came_out(runtime: RuntimeName, optimize: bool) -> None:
    """Beside the source and behind a task, though the task goes on with the same list; at each run from the start."""
    start: list[int] = []

    @task
    def put(acc: list[int], x: int) -> list[int]:
        acc.append(x)
        return acc

    for stream in (rows.iter(n=4), rows.iter(n=4).then(task(lambda x: x))):
        lists = stream.scan(put, initial=start)
        sums = lists.batch(2).unbatch().then(total)
        for _ in range(2):
            found = compile(lists, optimize=optimize).run(runtime=runtime, workers=2)
            assert found == [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3]]
            assert compile(sums, optimize=optimize).run(runtime=runtime, workers=2) == [0, 1, 3, 6]
    assert start == []


@EVERYWHERE
@PLAIN_TOO
def test_scan_tells_the_item_at_which_it_fails(runtime: RuntimeName, optimize: bool) -> None:
    """The accumulators before that item go on, numbered from 0; the initial value may be a future."""
    store = Memory()

    @task
    def add(acc: int, x: int) -> int:
        if x == 5:
            raise ValueError(x)
        return acc + x

    stream = rows.iter(n=9).filter(odd).scan(add, initial=ref(double(x=5))).save("{iteration_index}").then(double)
    with pytest.raises(ValueError, match="5") as caught:
        compile(stream, optimize=optimize).run(runtime=runtime, workers=2, store=store)
    failure = failure_of(caught.value)

    assert failure is not None
    assert (failure.task, failure.index, failure.item, failure.worker) == ("add", 2, "5", None)
    assert store.saved == [("0", 11), ("1", 14)]


@EVERYWHERE
def test_stream_hands_out_what_an_operation_gives(runtime: RuntimeName) -> None:
    with compile(rows.iter(n=7).then(double).batch(3)).stream(runtime=runtime, workers=2) as items:
        assert next(items) == [0, 2, 4]
        assert [*items] == [[6, 8, 10], [12]]


@EVERYWHERE
def test_folds_with_names_agree_everywhere(runtime: RuntimeName) -> None:
    stream = rows.iter(n=50).then(double)
    tenths = rows.iter(n=1000).then(task(lambda x: x / 10))

    assert stream.count().run(runtime=runtime, workers=2) == 50
    assert stream.max(key=lambda x: x % 7).run(runtime=runtime, workers=2) == 6
    assert stream.filter(odd).min(default=None).run(runtime=runtime, workers=2) is None
    assert stream.batch(3).then(total).sum().run(runtime=runtime, workers=2) == 2450
    assert tenths.sum().run(runtime=runtime, workers=2) == 49950.0
    assert stream.for_each(shown).run(runtime=runtime, workers=2) == 50


@EVERYWHERE
def test_report_says_where_operations_ran(runtime: RuntimeName) -> None:
    report = Report()
    rows.iter(n=8).batch(2).then(total).enumerate().then(shown).run(runtime=runtime, workers=1, observers=[report])
    steps = report.steps

    assert [step.task for step in steps] == ["rows", "batch", "total", "enumerate", "shown"]
    assert [step.where for step in steps if step.task in ("rows", "batch", "enumerate")] == ["coordinator"] * 3
    assert [step.items_out for step in steps if step.task in ("batch", "total", "shown")] == [4, 4, 4]
    assert "batch(n=2)" in str(report)
