"""Values as short text that is the same in every process."""

from __future__ import annotations

import enum
import functools
from pathlib import Path

import pytest

from daglite.short_repr import counted, shorten


class Point:
    def __init__(self) -> None:
        self.x = 1


class Colour(enum.IntEnum):
    RED = 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        (True, "True"),
        (3, "3"),
        (-2.5, "-2.5"),
        (1 + 2j, "(1+2j)"),
        ("data.csv", "'data.csv'"),
        ("two\nlines", r"'two\nlines'"),
        (b"ab", "b'ab'"),
        (range(3), "range(0, 3)"),
        ([], "[]"),
        ([1, 2, 3], "[1, 2, 3]"),
        ([1, 2, 3, 4, 5], "[1, 2, 3, ... (5)]"),
        ((1, "a"), "(1, 'a')"),
        ([[1, 2], [3]], "[[1, 2], [3]]"),
        ([[[1]]], "[[<list of 1>]]"),
        ({"a": 1}, "{'a': 1}"),
        ({"a": 1, "b": 2, "c": 3, "d": 4}, "{'a': 1, 'b': 2, 'c': 3, ... (4)}"),
        ({"a": {"b": {"c": 1}}}, "{'a': {'b': <dict of 1>}}"),
        ({3, 1, 2}, "<set of 3>"),
        (frozenset(), "<frozenset of 0>"),
        (Colour.RED, "<Colour>"),
        (int, "<int>"),
        (len, "<len>"),
        (functools.partial(len), "<partial>"),
        (Point(), "<Point>"),
        (Path("a"), f"<{type(Path('a')).__name__}>"),
        (object(), "<object>"),
    ],
)
def test_values_are_shown(value: object, text: str) -> None:
    assert shorten(value) == text


@pytest.mark.parametrize(
    "value",
    [
        "x" * 1000,
        b"x" * 1000,
        10**150,
        [10**150, 10**150],
        ["x" * 100] * 5,
        [["x" * 100] * 5] * 5,
        {"x" * 100: "y" * 100, "z": ["x" * 100] * 9},
        (("x" * 30,) * 3,) * 3,
        range(10**30, 10**40),
    ],
)
def test_long_values_are_cut(value: object) -> None:
    """At most 40 characters, with the beginning and the last character left, so that one sees what it was."""
    text = shorten(value)

    assert 30 < len(text) <= 40
    assert "..." in text
    assert text[-1] == repr(value)[-1]


@pytest.mark.parametrize("value", [Point(), object(), lambda: None, [Point()], {"a": Point()}, {Point()}])
def test_no_address_is_shown(value: object) -> None:
    assert "0x" not in shorten(value)


def test_integer_too_long_for_text_is_measured() -> None:
    """Python itself refuses to write so many digits."""
    assert shorten(10**5000) == shorten(-(10**5000)) == "<int of 16610 bits>"


class Loud:
    def __repr__(self) -> str:
        raise AssertionError("nobody asks for the repr of a user's value")


def test_repr_of_a_users_value_is_never_asked_for() -> None:
    assert shorten([Loud(), {"a": Loud()}]) == "[<Loud>, {'a': <Loud>}]"


def test_nouns_follow_their_number() -> None:
    assert [counted(n, "item") for n in (0, 1, 2, 1000)] == ["0 items", "1 item", "2 items", "1,000 items"]
    assert [counted(n, "batch", "batches") for n in (1, 2)] == ["1 batch", "2 batches"]
