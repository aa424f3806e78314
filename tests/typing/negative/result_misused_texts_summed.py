"""Result misused: texts summed."""

from __future__ import annotations

from tests.typing.shop import words

sum(words.iter(text="a b").run(runtime="inline"))

# mypy     Argument 1 to "sum" has incompatible type "list[str]"; expected "Iterable[bool]"  [arg-type]
# plugin   Argument 1 to "sum" has incompatible type "list[str]"; expected "Iterable[bool]"  [arg-type]
# pyright  No overloads for "sum" match the provided arguments  [reportCallIssue]
# pyright  Argument of type "list[str]" cannot be assigned to parameter "iterable" of type "Iterable[_SupportsSumNoDefaultT@sum]" in function "sum"  [reportArgumentType]
# pyrefly  No matching overload found for function `sum` called with arguments: (list[str])  [no-matching-overload]
# ty       No overload of function `sum` matches arguments  [no-matching-overload]
# python   TypeError
