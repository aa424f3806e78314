"""Scan of accumulators into a task of a wrong type."""

from __future__ import annotations

from tests.typing.shop import add, numbers, upper

numbers.iter(n=3).scan(add, initial=0.0).then(upper)

# mypy     ok
# python   ok
