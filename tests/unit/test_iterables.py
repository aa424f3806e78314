"""`from_iterable`: streams of values that are there already, and of iterators, which are read once."""

from __future__ import annotations

import io
import itertools
import pickle
from collections.abc import Iterator
from typing import Any, get_args

import pytest

import daglite
from daglite import compile, from_iterable
from daglite.exceptions import ParameterError, TaskError, TransferError
from daglite.options import RuntimeName
from tests.samples import Memory, double, one, rows, shown

pytestmark = pytest.mark.timeout(60)
EVERYWHERE = pytest.mark.parametrize("runtime", get_args(RuntimeName))
PLAIN_TOO = pytest.mark.parametrize("optimize", [True, False])


@EVERYWHERE
@PLAIN_TOO
@pytest.mark.parametrize("items", [[1, 2], (1, 2), range(1, 3), {1: "a", 2: "b"}])
def test_values_are_read_by_each_run(runtime: RuntimeName, optimize: bool, items: Any) -> None:
    plan = compile(from_iterable(items).then(double), optimize=optimize)

    assert [plan.run(runtime=runtime, workers=1) for _ in range(2)] == [[2, 4], [2, 4]]
    assert plan.fingerprint is not None


@EVERYWHERE
@PLAIN_TOO
def test_iterator_is_read_once_and_says_so(runtime: RuntimeName, optimize: bool) -> None:
    plan = compile(from_iterable(iter([1, 2])).then(double), optimize=optimize)

    assert plan.run(runtime=runtime, workers=1) == [2, 4]
    with pytest.raises(
        ParameterError, match=r"^`from_iterable` was given an iterator, a list_iterator, which an earlier run has read"
    ):
        plan.run(runtime=runtime, workers=1)


def numbers() -> Iterator[int]:
    try:
        yield from itertools.count()
    finally:
        LOG.append("closed")


LOG: list[str] = []


@EVERYWHERE
def test_generator_without_an_end_is_closed(runtime: RuntimeName) -> None:
    """It need not be picklable: it is read in the coordinator."""
    LOG.clear()

    assert from_iterable(numbers()).then(double).take(3).run(runtime=runtime, workers=1) == [0, 2, 4]
    assert LOG == ["closed"]


def test_file_of_the_user_stays_open() -> None:
    file = io.StringIO("a\nb\nc\n")

    assert from_iterable(file).take(1).then(shown).run(runtime="inline") == ["a\n."]
    assert file.read() == "b\nc\n"


def test_plan_of_an_iterator_cannot_be_pickled() -> None:
    plan = compile(from_iterable(numbers()))

    with pytest.raises(
        TransferError, match=r"a plan with `from_iterable` of an iterator, the generator 'numbers', cannot be pickled"
    ):
        pickle.dumps(plan)
    assert plan.fingerprint is None
    assert "iter from_iterable(items=<SinglePass>)" in plan.explain()


def test_plan_of_values_can_be_pickled() -> None:
    plan = compile(from_iterable([1, 2]).count())

    assert pickle.loads(pickle.dumps(plan)).run(runtime="inline") == 2


@PLAIN_TOO
def test_captured_when_read(optimize: bool) -> None:
    """An iterator may give one object again and again."""

    def buffers() -> Iterator[list[int]]:
        buffer = [0]
        for number in range(3):
            buffer[0] = number
            yield buffer

    for stream in (from_iterable(buffers()), from_iterable(buffers()).batch(1).unbatch().skip(0)):
        assert compile(stream, optimize=optimize).run(runtime="processes", workers=1) == [[0], [1], [2]]


def test_items_can_be_saved() -> None:
    store = Memory()

    from_iterable("ab").save("letter_{iteration_index}").run(runtime="inline", store=store)
    assert store.saved == [("letter_0", "a"), ("letter_1", "b")]


def test_error_of_an_iterator_is_told() -> None:
    with pytest.raises(ZeroDivisionError, match=r"division by zero\ndaglite: task 'from_iterable'"):
        from_iterable(1 / n for n in (1, 0)).run(runtime="inline")


@pytest.mark.parametrize("items", [3, None, len])
def test_what_cannot_be_iterated_is_refused(items: Any) -> None:
    with pytest.raises(ParameterError, match=r"^`from_iterable` needs something that can be iterated; got "):
        from_iterable(items)


def test_futures_are_no_values() -> None:
    for future in (one(n=1), rows.iter(n=2)):
        with pytest.raises(TaskError, match=r"^`from_iterable` needs values; got .*; a stream goes on with `.then`"):
            from_iterable(future)  # type: ignore[arg-type]


def test_face_has_it() -> None:
    assert daglite.from_iterable is from_iterable
