"""Scan with a plain function."""

from __future__ import annotations

from tests.typing.shop import numbers

numbers.iter(n=3).scan(max, initial=0)

# mypy     ok
# python   ok
