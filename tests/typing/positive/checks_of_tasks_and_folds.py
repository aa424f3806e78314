"""Checks of tasks and folds."""

from __future__ import annotations

from typing import assert_type

from hypothesis import strategies as st

from daglite.testing import DrawnPipeline, Stream, check_combine, check_fold, check_task
from tests.typing.shop import add, double, tally


def expected(drawn: DrawnPipeline[list[int], Stream]) -> None:
    assert_type(drawn.expected, list[int])
    assert_type(drawn.future.run(), list[int])


check_task(double, st.integers(), same=lambda one, other: one == other, max_examples=5)
check_fold(add, st.integers(0, 9), initial=0.0, max_examples=5)
check_fold(tally, st.text(), initial={}, max_examples=5)
check_combine(add, lambda one, other: one + other, st.integers(0, 9), initial=0.0, max_examples=5)

# mypy     ok
# plugin   ok
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ok
