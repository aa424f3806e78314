"""Frozen records: what they take, what they refuse, and how they compare and travel."""

from __future__ import annotations

import copy
import pickle

import pytest

from daglite.records import field_names, record, replace


@record(eq=True)
class Point:
    """Compared by its fields."""

    x: int
    y: int = 0


@record
class Cell:
    """Compared by identity."""

    value: object


@record
class Checked:
    """Refuses values below zero."""

    size: int

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError(f"{self.size} is below zero")


def test_fields_are_given_by_place_or_name_and_may_have_defaults() -> None:
    assert (Point(1).x, Point(1).y) == (1, 0)
    assert Point(1, 2) == Point(y=2, x=1) == Point(1, y=2)
    assert field_names(Point) == ("x", "y")
    assert repr(Point(1)) == "Point(x=1, y=0)"


@pytest.mark.parametrize(
    ("values", "named", "message"),
    [
        ((), {}, "no 'x'"),
        ((1, 2, 3), {}, "3 values for 2 fields"),
        ((1,), {"x": 1}, "multiple values for argument 'x'"),
        ((1,), {"z": 1}, "an unexpected argument 'z'"),
    ],
)
def test_wrong_arguments_are_told(values: tuple[int, ...], named: dict[str, int], message: str) -> None:
    with pytest.raises(TypeError, match=rf"^Point\(\) got {message}$"):
        Point(*values, **named)


def test_nothing_of_a_record_can_be_changed() -> None:
    point = Point(1)
    with pytest.raises(AttributeError, match=r"^cannot assign to field 'x': Point is frozen$"):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(AttributeError, match=r"^cannot delete field 'x': Point is frozen$"):
        del point.x
    with pytest.raises(AttributeError, match=r"^cannot assign to field 'other': Point is frozen$"):
        point.other = 2  # type: ignore[attr-defined]
    assert not hasattr(point, "__dict__")


def test_equality_is_by_fields_where_asked_and_else_by_identity() -> None:
    assert len({Point(1), Point(1, 0), Point(2)}) == 2
    cell = Cell(1)
    assert cell == cell
    assert cell != Cell(1)


def test_replace_keeps_the_other_fields() -> None:
    assert replace(Point(1, 2), y=3) == Point(1, 3)
    with pytest.raises(TypeError, match="an unexpected argument 'z'"):
        replace(Point(1), z=3)


def test_records_are_pickled_and_copied_with_their_fields() -> None:
    assert pickle.loads(pickle.dumps(Point(1, 2))) == Point(1, 2)
    assert copy.deepcopy(Point(1, 2)) == Point(1, 2)
    assert pickle.loads(pickle.dumps(Cell([1]))).value == [1]


def test_a_record_may_check_itself() -> None:
    assert Checked(1).size == 1
    with pytest.raises(ValueError, match=r"^-1 is below zero$"):
        Checked(-1)


def test_a_match_takes_fields_by_place() -> None:
    match Point(1, 2):
        case Point(x, y):
            assert (x, y) == (1, 2)
