"""Futures as arguments."""

from __future__ import annotations

from typing import assert_type

from daglite import IterFuture, MapTaskFuture, ReduceFuture, TaskFuture, task
from tests.typing.shop import add, count, double, label, numbers, scale, total

assert_type(double(x=count()), TaskFuture[int])
assert_type(scale(count(), factor=label(value=1.0).then(task(float))), TaskFuture[float])
assert_type(numbers.iter(n=count()), IterFuture[int])
assert_type(total(values=numbers.iter(n=3)), TaskFuture[int])
assert_type(total(values=double.map(x=numbers.iter(n=count()))), TaskFuture[int])
assert_type(numbers.iter(n=3).then(scale, factor=count()), MapTaskFuture[float])
assert_type(numbers.iter(n=3).then(scale, numbers.iter(n=3).reduce(add, initial=0.0)), MapTaskFuture[float])
assert_type(numbers.iter(n=3).reduce(add, initial=count()), ReduceFuture[float])
assert_type(scale.partial(factor=count())(x=1.0), TaskFuture[float])

# mypy     Argument "x" to "__call__" of "BaseTask" has incompatible type "TaskFuture[int]"; expected "int"  [arg-type]
# mypy     Argument 1 to "__call__" of "BaseTask" has incompatible type "TaskFuture[int]"; expected "float"  [arg-type]
# mypy     Argument "factor" to "__call__" of "BaseTask" has incompatible type "TaskFuture[float]"; expected "float"  [arg-type]
# mypy     Argument "n" to "iter" of "StreamTask" has incompatible type "TaskFuture[int]"; expected "int"  [arg-type]
# mypy     Argument "values" to "__call__" of "BaseTask" has incompatible type "IterFuture[int]"; expected "list[int]"  [arg-type]
# mypy     Argument "values" to "__call__" of "BaseTask" has incompatible type "MapTaskFuture[int]"; expected "list[int]"  [arg-type]
# mypy     Argument "factor" to "then" of "Items" has incompatible type "TaskFuture[int]"; expected "float"  [arg-type]
# mypy     Argument 2 to "then" of "Items" has incompatible type "ReduceFuture[float]"; expected "float"  [arg-type]
# mypy     Expression is of type "ReduceFuture[Any]", not "ReduceFuture[float]"  [assert-type]
# mypy     Cannot infer value of type parameter "A" of "reduce" of "Items"  [misc]
# plugin   ok
# pyright  Argument of type "TaskFuture[int]" cannot be assigned to parameter "x" of type "int" in function "__call__"  [reportArgumentType]
# pyright  Argument of type "TaskFuture[int]" cannot be assigned to parameter "x" of type "float" in function "__call__"  [reportArgumentType]
# pyright  Argument of type "TaskFuture[float]" cannot be assigned to parameter "factor" of type "float" in function "__call__"  [reportArgumentType]
# pyright  Argument of type "TaskFuture[int]" cannot be assigned to parameter "n" of type "int" in function "iter"  [reportArgumentType]
# pyright  Argument of type "IterFuture[int]" cannot be assigned to parameter "values" of type "list[int]" in function "__call__"  [reportArgumentType]
# pyright  Argument of type "MapTaskFuture[int]" cannot be assigned to parameter "values" of type "list[int]" in function "__call__"  [reportArgumentType]
# pyright  Argument of type "TaskFuture[int]" cannot be assigned to parameter "factor" of type "float"  [reportArgumentType]
# pyright  Argument of type "ReduceFuture[float]" cannot be assigned to parameter "factor" of type "float"  [reportArgumentType]
# pyright  Argument of type "TaskFuture[int]" cannot be assigned to parameter "initial" of type "A@reduce" in function "reduce"  [reportArgumentType]
# python   ok
# why      plain types cannot say `X | Future[X]` for every parameter; write `ref(future)`
