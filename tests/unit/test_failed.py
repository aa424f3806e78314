"""Failed: what is known of an item at which a task failed, here and after a journey."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from daglite import Failed
from daglite.exceptions import Failure, TransferError


class Odd(ValueError):
    """A constructor that its own arguments do not fit."""

    def __init__(self, what: str, where: int) -> None:
        super().__init__(f"{what} at {where}")
        self.where = where


class Reduced(ValueError):
    def __reduce__(self) -> tuple[object, ...]:
        return Reduced, ("by itself",)


def failed(error: Exception, item: object = "x") -> Failed[object]:
    return Failed(item, error, Failure("price", step=2, index=3, attempt=2))


def journey(one: Failed[object]) -> Failed[Any]:
    found = pickle.loads(pickle.dumps(one))
    assert isinstance(found, Failed)
    return found


def test_it_keeps_item_and_error_on_its_way() -> None:
    error = Odd("row", 7)
    error.add_note("from the third file")
    error.__cause__ = KeyError("price")
    there = journey(failed(error, ["a", 1]))

    assert (there.item, there.task, there.index, there.failure.attempt) == (["a", 1], "price", 3, 2)
    assert isinstance(there.error, Odd)
    assert (str(there.error), there.error.where, there.error.__notes__) == ("row at 7", 7, ["from the third file"])
    assert repr(there.error.__cause__) == "KeyError('price')"


def test_errors_that_say_how_they_travel_and_groups_are_left_to_it() -> None:
    assert str(journey(failed(Reduced("first"))).error) == "first"
    group = ExceptionGroup("both", [ValueError(1), OSError(2)])
    assert repr(journey(failed(group)).error) == repr(group)


def test_a_chain_of_causes_that_runs_in_a_circle_ends() -> None:
    one, other = ValueError("one"), ValueError("other")
    one.__context__, other.__context__ = other, one
    there = journey(failed(one)).error
    assert there.__context__ is not None
    assert there.__context__.__context__ is there


def test_two_are_equal_when_task_index_and_error_are() -> None:
    assert failed(ValueError("a")) == failed(ValueError("a"), "another item")
    assert hash(failed(ValueError("a"))) == hash(journey(failed(ValueError("a"))))
    assert failed(ValueError("a")) != failed(ValueError("b"))
    assert failed(ValueError("a")) != failed(TypeError("a"))
    assert failed(ValueError("a")) != "a"


def test_an_item_that_is_not_kept_says_why() -> None:
    one = failed(ValueError("a")).without_item("it is a lock")
    assert not one.kept
    for each in (one, journey(one), one.with_error(ValueError("b"))):
        with pytest.raises(TransferError, match=r"^the item was not kept: it is a lock$"):
            _ = each.item


def test_nothing_in_it_can_be_changed() -> None:
    one = failed(ValueError("a"))
    with pytest.raises(AttributeError, match="cannot assign to field 'error': Failed is frozen"):
        one.error = OSError()  # type: ignore[misc]
    with pytest.raises(AttributeError, match="cannot delete field 'failure': Failed is frozen"):
        del one.failure


def test_an_error_without_a_text_is_shown_by_its_name() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert repr(failed(Mute())) == "Failed(task 'price', item 3, Mute)"
