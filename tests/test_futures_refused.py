"""What the chaining methods of futures refuse, and how they say it."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from daglite.exceptions import ParameterError, TaskError
from tests.samples import one, rows

STREAM = rows.iter(n=3)


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
