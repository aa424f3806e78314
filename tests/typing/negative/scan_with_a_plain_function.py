"""Scan with a plain function."""

from __future__ import annotations

from tests.typing.shop import numbers

numbers.iter(n=3).scan(max, initial=0)

# mypy     Argument 1 to "scan" of "Items" has incompatible type overloaded function; expected "ReduceStep[Never, int]"  [arg-type]
# mypy     Argument "initial" to "scan" of "Items" has incompatible type "int"; expected "Never"  [arg-type]
# plugin   "scan" needs a task; got function "max": decorate it with "@task", or write task(max)  [arg-type]
# pyright  Argument of type "Overload[(arg1: SupportsRichComparisonT@max, arg2: SupportsRichComparisonT@max, /, *_args: SupportsRichComparisonT@max, key: None = None) -> SupportsRichComparisonT@max, (arg1: _T@max, arg2: _T@max, /, *_args: _T@max, key: (_T@max) -> Support ...  [reportArgumentType]
# pyrefly  Argument `Overload[ [SupportsRichComparisonT: SupportsRichComparison](arg1: SupportsRichComparisonT, arg2: SupportsRichComparisonT, /, *_args: SupportsRichComparisonT, *, key: None = None) -> SupportsRichComparisonT [_T](arg1: _T, arg2: _T, /, *_args: _T, *, k ...  [bad-argument-type]
# ty       ok
# python   TaskError: `scan` needs a task; got <built-in function max>; decorate the function with `@task` or wrap it: task(max)
# why      ty: it does not compare an overloaded function with a `ParamSpec`
