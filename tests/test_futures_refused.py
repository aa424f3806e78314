"""What the chaining methods of futures refuse, and how they say it."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from daglite import from_iterable
from daglite.exceptions import ParameterError, TaskError
from tests.samples import fold, one, rows

STREAM = rows.iter(n=3)
VALUE = one(n=1)


def test_chaining_needs_a_task() -> None:
    with pytest.raises(
        TaskError, match=r"^`then` needs a task; got <function .*<lambda> .* wrap it: task\(lambda \.\.\.\)$"
    ):
        STREAM.then(lambda x: x)  # type: ignore[arg-type, return-value, unused-ignore]


def test_the_call_of_a_task_is_no_task() -> None:
    with pytest.raises(
        TaskError, match=r"got TaskFuture\(one\), which a call has made; .*: \.then\(task, name=value\)$"
    ):
        STREAM.then(one(n=1))  # type: ignore[arg-type]
    with pytest.raises(TaskError, match=r"^`join` needs a task; got TaskFuture\(one\), which a call has made; "):
        STREAM.join(one(n=1))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "method", ["then", "attempt", "filter", "flat_map", "take_while", "group_by", "for_each", "join"]
)
def test_chain_without_a_task_says_what_is_missing(method: str) -> None:
    for extras in ({}, {"task": one}):
        with pytest.raises(ParameterError, match=rf"^`{method}` needs a task, first .*: write \.{method}\(task\)$"):
            getattr(STREAM, method)(**extras)


@pytest.mark.parametrize("value", [one(n=1), STREAM.count()])
def test_value_without_a_task_says_what_is_missing(value: Any) -> None:
    with pytest.raises(ParameterError, match=r"^`then` needs a task, first and without a name: write \.then\(task\)$"):
        value.then()
    assert next(iter(inspect.signature(value.then).parameters)) == "task"


def test_futures_among_the_values_of_a_stream_are_refused() -> None:
    """Nobody would run them: they would reach the task as they are."""
    then = r"where they would not be run; map over what they are made of, and go on with `\.then`$"
    with pytest.raises(ParameterError, match=rf"^`map` of task 'one': 'n' holds futures inside a list, {then}"):
        one.map(n=[VALUE, VALUE])
    with pytest.raises(ParameterError, match=rf"^`map` of task 'one': 'n' holds futures inside a tuple, {then}"):
        one.map(n=iter([VALUE]))
    with pytest.raises(ParameterError, match=rf"^`from_iterable` holds futures inside a list, {then}"):
        from_iterable([VALUE])


@pytest.mark.parametrize("option", ["initial", "empty"])
def test_futures_inside_the_start_of_a_fold_are_refused(option: str) -> None:
    options: dict[str, Any] = {"initial": [], "empty": [], "combine": list.__add__, option: [VALUE]}
    with pytest.raises(ParameterError, match=rf"^`{option}` of `reduce` with task 'fold' holds futures in"):
        rows.iter(n=1).reduce(fold, **options)
