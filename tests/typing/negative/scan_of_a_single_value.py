"""Scan of a single value."""

from __future__ import annotations

from tests.typing.shop import add, count

count().scan(add, initial=0.0)

# mypy     ok
# python   ok
