"""Reduce with an empty of a wrong type."""

from __future__ import annotations

from tests.typing.shop import add, numbers

numbers.iter(n=3).reduce(add, initial=7.0, combine=add, empty="0")
