"""Chain on a task that is not called: a generator."""

from __future__ import annotations

from tests.typing.shop import double, numbers

numbers.then(double)

# mypy     "StreamTask[[int], int]" has no attribute "then"  [attr-defined]
# plugin   "StreamTask[[int], int]" has no attribute "then"  [attr-defined]
# pyright  Cannot access attribute "then" for class "StreamTask[(n: int), int]"  [reportAttributeAccessIssue]
# pyrefly  Object of class `StreamTask` has no attribute `then`  [missing-attribute]
# ty       Object of type `StreamTask[(n: int), int]` has no attribute `then`  [missing-attribute]
# python   AttributeError: `then` belongs to futures; 'numbers' is a task: call it first, or use `.iter` or `.map`
