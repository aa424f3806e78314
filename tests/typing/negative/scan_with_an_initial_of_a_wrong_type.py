"""Scan with an initial of a wrong type."""

from __future__ import annotations

from tests.typing.shop import add, numbers

numbers.iter(n=3).scan(add, initial="0")

# mypy     ok
# python   ok
