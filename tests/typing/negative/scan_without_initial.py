"""Scan without initial."""

from __future__ import annotations

from tests.typing.shop import add, numbers

numbers.iter(n=3).scan(add)

# mypy     ok
# python   ok
