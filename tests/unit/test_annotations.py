"""Annotations are read without an error, whatever they are."""

from __future__ import annotations

import functools
from decimal import Decimal

from daglite.annotations import annotations_of, read_signature


class Base:
    size: int


class Derived(Base):
    pass


def convert(x: str) -> Decimal:
    return Decimal(x)


class Odd:
    __annotations__ = 5  # type: ignore[assignment]

    def __call__(self) -> int:
        return 1


def test_annotations_of_functions_and_classes() -> None:
    assert annotations_of(convert) == {"x": "str", "return": "Decimal"}
    assert annotations_of(Base) == {"size": "int"}
    assert annotations_of(Derived) == {}


def test_things_without_annotations_have_none() -> None:
    assert annotations_of(len) == annotations_of(functools.partial(convert, "1")) == annotations_of(Odd()) == {}
    assert list(read_signature(Odd()).parameters) == []
