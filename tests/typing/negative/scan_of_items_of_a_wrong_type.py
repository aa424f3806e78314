"""Scan of items of a wrong type."""

from __future__ import annotations

from tests.typing.shop import add, words

words.iter(text="a b").scan(add, initial=0.0)

# mypy     ok
# python   ok
