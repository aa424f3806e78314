"""Reduce with a plain function."""

from __future__ import annotations

from tests.typing.shop import numbers

numbers.iter(n=3).reduce(max, initial=0)

# mypy     Argument 1 to "reduce" of "Items" has incompatible type overloaded function; expected "ReduceStep[Never, int]"  [arg-type]
# mypy     Argument "initial" to "reduce" of "Items" has incompatible type "int"; expected "Never"  [arg-type]
# plugin   "reduce" needs a task; got function "max": decorate it with "@task", or write task(max)  [arg-type]
# pyright  Argument of type "Overload[(arg1: SupportsRichComparisonT@max, arg2: SupportsRichComparisonT@max, /, *_args: SupportsRichComparisonT@max, key: None = None) -> SupportsRichComparisonT@max, (arg1: _T@max, arg2: _T@max, /, *_args: _T@max, key: (_T@max) -> SupportsRichComparison) -> _T@max, (iterable: Iterable[SupportsRichComparisonT@max], /, *, key: None = None) -> SupportsRichComparisonT@max, (iterable: Iterable[_T@max], /, *, key: (_T@max) -> SupportsRichComparison) -> _T@max, (iterable: Iterable[SupportsRichComparisonT@max], /, *, key: None = None, default: _T@max) -> (SupportsRichComparisonT@max | _T@max), (iterable: Iterable[_T1@max], /, *, key: (_T1@max) -> SupportsRichComparison, default: _T2@max) -> (_T1@max | _T2@max)]" cannot be assigned to parameter "task" of type "ReduceStep[A@reduce, int]" in function "reduce"  [reportArgumentType]
# python   TaskError: `reduce` needs a task; got <built-in function max>; decorate the function with `@task` or wrap it: task(max)
