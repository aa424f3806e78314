"""Reduce with a combine of a wrong type."""

from __future__ import annotations

from tests.typing.shop import add, numbers


def longer(one: str, other: str) -> str:
    return max(one, other, key=len)


numbers.iter(n=3).reduce(add, initial=0.0, combine=longer)
