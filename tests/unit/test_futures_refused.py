"""What the chaining methods of futures refuse, and how they say it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
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


def test_scan_says_what_is_wrong_with_its_arguments() -> None:
    """As `.reduce` does, where it is built."""
    refused: list[tuple[Callable[[Any], object], str]] = [
        (lambda s: s.scan(), r"^`scan` needs a task, first and without a name: write \.scan\(task, initial=\.\.\.\)$"),
        (lambda s: s.scan(fold), r"^`scan` needs `initial`; got none for task 'fold': write \.scan\(fold, initial="),
        (lambda s: s.scan(fold, 0), r"^`scan` with task 'fold' takes 'initial' by name; got 0 by position: write"),
        (lambda s: s.scan(fold, initial=0, inital=1), r"^`scan` with task 'fold' has no 'inital'; it takes 'initial'"),
        (lambda s: s.scan(one, initial=0), r"^`scan` needs 2 parameters of task 'one' that nothing else fills; free: "),
        (
            lambda s: s.scan(fold, initial=[VALUE]),
            r"^`initial` of `scan` with task 'fold' holds futures inside a list,",
        ),
        (
            lambda s: s.scan(fold.with_options(timeout=1.0), initial=0),
            r"^task 'fold' has a `timeout` or .*, which `scan` cannot keep: it runs in the coordinator",
        ),
        (
            lambda s: s.scan(fold.with_options(on_error="skip"), initial=0),
            r"^task 'fold' has `on_error` 'skip', which `scan` cannot keep: the accumulator may have been changed",
        ),
    ]
    for build, told in refused:
        with pytest.raises(ParameterError, match=told):
            build(STREAM)
    with pytest.raises(TaskError, match=r"^`scan` needs a task; got <built-in function max>; decorate"):
        STREAM.scan(max, initial=0)  # type: ignore[arg-type, unused-ignore]


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
