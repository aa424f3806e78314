"""Operations on the items of a stream: what may be written, and what it gives."""

from __future__ import annotations

import re
from typing import Any

import pytest

from daglite import Future
from daglite.exceptions import ParameterError, TaskError
from tests.samples import Memory, double, odd, rows, scale, several

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
