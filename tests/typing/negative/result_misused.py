"""Result misused."""

from __future__ import annotations

from tests.typing.shop import double

double(x=1).run(runtime="inline").upper()

# mypy     "int" has no attribute "upper"  [attr-defined]
# plugin   "int" has no attribute "upper"  [attr-defined]
# pyright  Cannot access attribute "upper" for class "int"  [reportAttributeAccessIssue]
# pyrefly  Object of class `int` has no attribute `upper`  [missing-attribute]
# ty       Object of type `int` has no attribute `upper`  [missing-attribute]
# python   AttributeError
