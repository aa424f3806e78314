"""Plan saved."""

from __future__ import annotations

from daglite import compile
from tests.typing.shop import double

compile(double(x=1)).save("key")

# mypy     "Plan[int]" has no attribute "save"  [attr-defined]
# plugin   "Plan[int]" has no attribute "save"  [attr-defined]
# pyright  Cannot access attribute "save" for class "Plan[int]"  [reportAttributeAccessIssue]
# pyrefly  Object of class `Plan` has no attribute `save`  [missing-attribute]
# ty       Object of type `Plan[int]` has no attribute `save`  [missing-attribute]
# python   AttributeError
