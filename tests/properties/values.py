"""Plain values, and tuples of them, for random pipelines."""

from __future__ import annotations

import functools

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

__all__ = ["VALUES", "item_lists"]

VALUES: SearchStrategy[object] = st.sampled_from([None, 0, False, "", (), 1, -7, 2.5, True, "a", "b c", ("k", 0)])


EMPTY: SearchStrategy[tuple[object, ...]] = st.just(())


@functools.cache
def item_lists(least: int = 0, most: int = 5) -> SearchStrategy[tuple[object, ...]]:
    """Tuples of values; of those that may be empty one in some is."""
    filled = st.lists(VALUES, min_size=max(least, min(2, most)), max_size=most).map(tuple)
    return filled if least else st.integers(0, 3).flatmap(lambda some: filled if some else EMPTY)
