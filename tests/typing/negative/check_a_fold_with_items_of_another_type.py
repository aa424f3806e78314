"""Check a fold with items of another type."""

from __future__ import annotations

from hypothesis import strategies as st

from daglite.testing import check_fold
from tests.typing.shop import add

check_fold(add, st.text(), initial=0.0)

# mypy     Cannot infer value of type parameter "T" of "check_fold"  [misc]
# plugin   Cannot infer value of type parameter "T" of "check_fold"  [misc]
# pyright  Argument of type "SearchStrategy[str]" cannot be assigned to parameter "items" of type "SearchStrategy[T@check_fold]" in function "check_fold"  [reportArgumentType]
# pyrefly  Argument `SearchStrategy[str]` is not assignable to parameter `items` with type `SearchStrategy[float]` in function `daglite.testing.checks.check_fold`  [bad-argument-type]
# ty       Argument to function `check_fold` is incorrect: Expected `ReduceStep[float, float | str]`, found `Task[(total: float, item: float), float]`  [invalid-argument-type]
# python   AssertionError: 'add', folding ['', ''] from 0.0, raises TypeError: unsupported operand type(s) for +: 'float' and 'str'
