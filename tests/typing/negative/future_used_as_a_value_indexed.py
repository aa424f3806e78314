"""Future used as a value: indexed."""

from __future__ import annotations

from tests.typing.shop import numbers

numbers.iter(n=3)[0]

# mypy     Value of type "IterFuture[int]" is not indexable  [index]
# plugin   Value of type "IterFuture[int]" is not indexable  [index]
# pyright  "__getitem__" method not defined on type "IterFuture[int]"  [reportIndexIssue]
# pyrefly  Cannot index into `IterFuture[int]`  [bad-index]
# ty       Cannot subscript object of type `IterFuture[int]` with no `__getitem__` method  [not-subscriptable]
# python   TypeError: IterFuture(numbers) has no value yet: run it (`.run()`) or compile it (`daglite.compile(...)`)
