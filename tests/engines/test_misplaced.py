"""What is said of attributes and values of futures and tasks that are looked for in the wrong place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import daglite
from daglite import task
from daglite.exceptions import ParameterError, TaskError
from tests.samples import double, one, pair, rows

STREAM: Any = rows.iter(n=3)
VALUE: Any = one(n=1)


@pytest.mark.parametrize("name", ["explain", "stream", "replay", "fingerprint"])
def test_what_a_plan_has_is_sent_there(name: str) -> None:
    message = rf"^`{name}` belongs to plans: compile \w+Future\(\w+\) first, daglite\.compile\(\.\.\.\)\.{name}$"
    for future in (STREAM, VALUE):
        with pytest.raises(AttributeError, match=message):
            getattr(future, name)
        assert hasattr(daglite.compile(future), name)


@pytest.mark.parametrize("name", ["map", "iter", "partial", "with_options", "fn", "iter_partitions"])
def test_what_a_task_has_is_sent_there(name: str) -> None:
    with pytest.raises(AttributeError, match=rf"^`{name}` belongs to tasks; IterFuture\(rows\) is what one gives: "):
        getattr(STREAM, name)
    assert hasattr(rows, name)


@pytest.mark.parametrize("name", ["filter", "reduce", "join", "count", "take", "zip"])
def test_what_a_stream_has_is_told_of_a_value(name: str) -> None:
    with pytest.raises(
        AttributeError, match=rf"^`{name}` belongs to streams; TaskFuture\(one\) is one value: a stream"
    ):
        getattr(VALUE, name)
    assert hasattr(STREAM, name)


def test_attributes_of_a_value_that_is_not_there_yet() -> None:
    with pytest.raises(
        AttributeError, match=r"^TaskFuture\(one\) has no attribute 'upper', nor a value yet: give it to"
    ):
        VALUE.upper()
    assert not hasattr(VALUE, "mro")
    assert not hasattr(VALUE, "__fspath__")


@pytest.mark.parametrize(
    "use",
    [
        lambda: VALUE + 1,
        lambda: sum([VALUE, VALUE]),
        lambda: 2 * VALUE,
        lambda: VALUE < 3,
        lambda: max(VALUE, one(n=2)),
        lambda: float(VALUE),
        lambda: int(VALUE),
        lambda: 1 - VALUE / 2,
    ],
)
def test_calculating_with_a_future_says_to_run_it(use: Callable[[], object]) -> None:
    with pytest.raises(TypeError, match=r"^TaskFuture\(one\) has no value yet: run it"):
        use()


def test_a_task_that_calls_another_one_is_told_of_the_plain_function() -> None:
    """The most likely place to take a task for its function is another task."""

    def twice(n: int) -> Any:
        forgotten: Any = one(n=n)
        return forgotten * 2

    with pytest.raises(
        TypeError, match=r"^TaskFuture\(one\) .*; in another task call the plain function: one\.fn\(\.\.\.\)$"
    ):
        twice(3).run(runtime="inline")
    with pytest.raises(TypeError, match=r"^TaskFuture\(<lambda>\) has no value yet: [^;]*$"):
        bool(task(lambda n: n)(n=3))
    with pytest.raises(TypeError, match=r"^IterFuture\(rows\) has no value yet: [^;]*$"):
        bool(rows.iter(n=3))


def test_map_takes_its_values_by_name() -> None:
    with pytest.raises(
        ParameterError, match=r"^`map` of task 'double' .* got \[1, 2\] by position: write \.map\(x=\.\.\.\)$"
    ):
        double.map([1, 2])  # type: ignore[arg-type, call-arg, unused-ignore]  # what is tested
    with pytest.raises(ParameterError, match=r"write \.map\(b=\.\.\.\)$"):
        pair.partial(a=1).map([1, 2])  # type: ignore[arg-type, call-arg, unused-ignore]  # what is tested


@pytest.mark.parametrize("which", [double, rows])
def test_partial_takes_its_values_by_name(which: Any) -> None:
    with pytest.raises(
        ParameterError, match=r"^`partial` of task .* got 3 by position: write \.partial\([xn]=\.\.\.\)$"
    ):
        which.partial(3)


def test_a_task_in_the_place_of_what_it_gives() -> None:
    with pytest.raises(
        TaskError, match=r"got StreamTask\(rows\); a generator task gives its items with `\.iter\(\.\.\.\)`$"
    ):
        daglite.from_iterable(rows)  # type: ignore[arg-type]  # what is tested
    with pytest.raises(
        TaskError, match=r"^`task` needs a function; got <generator .*; give the generator function itself"
    ):
        task(rows.fn(3))  # type: ignore[call-overload]  # what is tested
    with pytest.raises(TaskError, match=r"^`task` needs a function; got 3$"):
        task(3)  # type: ignore[call-overload]  # what is tested


@pytest.mark.parametrize("options", [{}, {"runtime": "inline"}, {"runtime": "threads"}, {"runtime": "auto"}])
def test_a_generator_that_was_called_is_told_where_its_list_does_not_fit(options: Any) -> None:
    def lower(line: Any) -> str:
        return str(line.lower())

    def adds(total: Any, by: Any) -> object:
        return total + by

    with pytest.raises(AttributeError, match="has no attribute 'lower'") as caught:
        rows(n=3).then(task(lower)).run(**options)
    note = (
        "'line' was the list of all that 'rows' yields, as `rows(...)` gives it; `rows.iter(...)` gives one item at a"
    )
    assert note in caught.value.__notes__[-1]
    with pytest.raises(TypeError, match="unsupported operand") as other:
        one(n=1).then(task(adds), by="x").run(**options)
    assert "was the list" not in str(other.value.__notes__)
