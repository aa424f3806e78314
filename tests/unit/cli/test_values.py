"""Texts as values of annotated types."""

from __future__ import annotations

import datetime
import enum
import inspect
import pathlib
import uuid
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any, Literal, NewType, Optional, Union

import pytest
from hypothesis import given, strategies as st

from daglite.cli.values import UsageError, value_of


class Colour(enum.Enum):
    RED = "r"
    BLUE = 2


Metres = NewType("Metres", float)


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (int, "12", 12),
        (int, "-007", -7),
        (float, "1", 1.0),
        (float, "1e-3", 0.001),
        (complex, "1+2j", 1 + 2j),
        (str, "12", "12"),
        (str, "", ""),
        (bytes, "é", "é".encode()),
        (bool, "true", True),
        (bool, "No", False),
        (bool, "0", False),
        (None, "none", None),
        (pathlib.Path, "a/b", pathlib.Path("a/b")),
        (Decimal, "1.10", Decimal("1.10")),
        (Fraction, "1/3", Fraction(1, 3)),
        (datetime.date, "2026-11-25", datetime.date(2026, 11, 25)),
        (datetime.datetime, "2026-11-25T13:00", datetime.datetime(2026, 11, 25, 13)),
        (datetime.time, "13:00", datetime.time(13)),
        (uuid.UUID, "12345678123456781234567812345678", uuid.UUID("12345678123456781234567812345678")),
        (Literal["fast", 3], "fast", "fast"),
        (Literal["fast", 3], "3", 3),
        (Colour, "RED", Colour.RED),
        (Colour, "2", Colour.BLUE),
        (int | None, "none", None),
        (int | None, "3", 3),
        (Optional[str], "null", None),  # noqa: UP045  # the older spelling is another object
        (Union[str, int], "5", 5),  # noqa: UP007
        (int | str, "5a", "5a"),
        (Annotated[int, "a count"], "5", 5),
        (Metres, "2.5", 2.5),
        (list[int], "1,2, 3", [1, 2, 3]),
        (list[int], "[1, 2]", [1, 2]),
        (list[int], "", []),
        (list[str], "a", ["a"]),
        (list[str], "1,2", ["1", "2"]),
        (list, "[1, null]", [1, None]),
        (Sequence[float], "[1, 2]", [1.0, 2.0]),
        (Iterable[int], "7", [7]),
        (set[int], "1,1", {1}),
        (frozenset[str], '["a"]', frozenset({"a"})),
        (tuple[int, str], "1,a", (1, "a")),
        (tuple[int, ...], "[1, 2, 3]", (1, 2, 3)),
        (tuple, "1,a", (1, "a")),
        (dict[str, int], '{"a": 1}', {"a": 1}),
        (Mapping[int, list[datetime.date]], '{"1": ["2026-01-02"]}', {1: [datetime.date(2026, 1, 2)]}),
        (dict, "{}", {}),
        (list[int | None], "[1, null]", [1, None]),
        (Any, "5", 5),
        (Any, "[1]", [1]),
        (object, "abc", "abc"),
        (inspect.Parameter.empty, "1.5", 1.5),
    ],
    ids=str,
)
def test_text_is_the_value_of_the_type(annotation: object, text: str, value: object) -> None:
    found = value_of("x", text, annotation)

    assert found == value
    assert type(found) is type(value)


class Thing:
    pass


@pytest.mark.parametrize(
    ("annotation", "text", "told"),
    [
        (int, "1.5", "a whole number"),
        (int, "", "a whole number"),
        (float, "x", "a number"),
        (bool, "maybe", "one of true, yes, 1, false, no, 0"),
        (None, "x", "none"),
        (Decimal, "x", "a decimal number"),
        (Fraction, "1/0", "a fraction"),
        (datetime.date, "25.11.2026", "a date like 2026-11-25"),
        (Literal["fast", "slow"], "Fast", "one of fast, slow"),
        (Colour, "GREEN", "one of r, 2, RED, BLUE"),
        (int | None, "x", "none or a whole number"),
        (list[int], "1,x", "a whole number"),
        (list[int], "[1.5]", "a whole number"),
        (list[int], "[true]", "a whole number"),
        (list[str], "[1]", "a text"),
        (list[int], '{"a": 1}', "a JSON list like [1, 2], or values with commas between them"),
        (dict[str, int], "a=1", 'a JSON object like {"a": 1}'),
        (tuple[int, int], "1,2,3", "2 values"),
        (Thing, "x", "of type Thing, which has no text: name a function that makes it from what has one"),
        (list[Thing], "x", "of type Thing, which has no text: name a function that makes it from what has one"),
    ],
    ids=str,
)
def test_text_that_does_not_fit_is_told_what_would(annotation: object, text: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:  # noqa: PT011  # the whole message is compared below
        value_of("x", text, annotation)

    assert str(caught.value) == f"parameter 'x' must be {told}; got {text!r}"


@given(
    st.one_of(st.integers(), st.floats(allow_nan=False), st.booleans(), st.dates(), st.uuids(), st.decimals("-9", 9))
)
def test_what_python_prints_is_read_back(value: object) -> None:
    assert value_of("x", str(value), type(value)) == value
