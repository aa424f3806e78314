"""Reduce with a combine of a wrong type: the fold."""

from __future__ import annotations

from tests.typing.shop import tally, words

words.iter(text="a b").reduce(tally, initial={}, combine=tally)
