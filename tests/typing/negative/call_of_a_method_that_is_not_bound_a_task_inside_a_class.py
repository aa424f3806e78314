"""Call of a method that is not bound: a task inside a class."""

from __future__ import annotations

from daglite import task


class Shop:
    @task
    def price(self, x: int) -> int:
        return x


Shop().price(1)

# mypy     Missing positional argument "x" in call to "__call__" of "BaseTask"  [call-arg]
# mypy     Argument 1 to "__call__" of "BaseTask" has incompatible type "int"; expected "Shop"  [arg-type]
# plugin   Missing positional argument "x" in call to "price"  [call-arg]
# plugin   Argument 1 to "price" has incompatible type "int"; expected "Shop | Future[Shop]"  [arg-type]
# pyright  Argument missing for parameter "x"  [reportCallIssue]
# pyrefly  Missing argument `x` in function `daglite.tasks.BaseTask.__call__`  [missing-argument]
# pyrefly  Argument `Literal[1]` is not assignable to parameter `self` with type `Shop` in function `daglite.tasks.BaseTask.__call__`  [bad-argument-type]
# ty       No argument provided for required parameter `x` of bound method `BaseTask.__call__`  [missing-argument]
# ty       Argument to bound method `BaseTask.__call__` is incorrect: Expected `Shop`, found `Literal[1]`  [invalid-argument-type]
# python   ParameterError: task 'Shop.price': missing a required argument: 'x'; it takes 'self', 'x'; 'price' is a method of 'Shop' that is not bound, so the first value is its 'self': give that too, fix it with `.partial(self=...)`, or make the task of the bound method, task(an_object.price)
