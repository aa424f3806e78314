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
# mypy     Cannot infer value of type parameter "A" of "reduce" of "Foldable"  [misc]
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
# pyrefly  Argument `TaskFuture[int]` is not assignable to parameter `x` with type `int` in function `daglite.tasks.BaseTask.__call__`  [bad-argument-type]
# pyrefly  Argument `TaskFuture[int]` is not assignable to parameter `x` with type `float` in function `daglite.tasks.BaseTask.__call__`  [bad-argument-type]
# pyrefly  Argument `TaskFuture[float]` is not assignable to parameter `factor` with type `float` in function `daglite.tasks.BaseTask.__call__`  [bad-argument-type]
# pyrefly  Argument `TaskFuture[int]` is not assignable to parameter `n` with type `int` in function `daglite.tasks.StreamTask.iter`  [bad-argument-type]
# pyrefly  Argument `IterFuture[int]` is not assignable to parameter `values` with type `list[int]` in function `daglite.tasks.BaseTask.__call__`  [bad-argument-type]
# pyrefly  Argument `MapTaskFuture[int]` is not assignable to parameter `values` with type `list[int]` in function `daglite.tasks.BaseTask.__call__`  [bad-argument-type]
# pyrefly  Argument `TaskFuture[int]` is not assignable to parameter `factor` with type `float` in function `daglite.futures.items.Items.then`  [bad-argument-type]
# pyrefly  Argument `ReduceFuture[float]` is not assignable to parameter `factor` with type `float` in function `daglite.futures.items.Items.then`  [bad-argument-type]
# pyrefly  Argument `TaskFuture[int]` is not assignable to parameter `initial` with type `float` in function `daglite.futures.folds.Foldable.reduce`  [bad-argument-type]
# ty       Argument to bound method `BaseTask.__call__` is incorrect: Expected `int`, found `TaskFuture[int]`  [invalid-argument-type]
# ty       Argument to bound method `BaseTask.__call__` is incorrect: Expected `float`, found `TaskFuture[int]`  [invalid-argument-type]
# ty       Argument to bound method `BaseTask.__call__` is incorrect: Expected `float`, found `TaskFuture[float*]`  [invalid-argument-type]
# ty       Argument to bound method `StreamTask.iter` is incorrect: Expected `int`, found `TaskFuture[int]`  [invalid-argument-type]
# ty       Argument to bound method `BaseTask.__call__` is incorrect: Expected `list[int]`, found `IterFuture[int]`  [invalid-argument-type]
# ty       Argument to bound method `BaseTask.__call__` is incorrect: Expected `list[int]`, found `MapTaskFuture[int]`  [invalid-argument-type]
# ty       Argument to bound method `Items.then` is incorrect: Expected `float`, found `TaskFuture[int]`  [invalid-argument-type]
# ty       Argument to bound method `Items.then` is incorrect: Expected `float`, found `ReduceFuture[float]`  [invalid-argument-type]
# ty       Type `ReduceFuture[float | TaskFuture[int]]` does not match asserted type `ReduceFuture[float]`  [type-assertion-failure]
# ty       Argument to bound method `Foldable.reduce` is incorrect: Expected `ReduceStep[float | TaskFuture[int], int]`, found `Task[(total: float, item: float), float]`  [invalid-argument-type]
# python   ok
# why      mypy, pyright, pyrefly, ty: plain types cannot say `X | Future[X]` for every parameter; write `ref(future)`
