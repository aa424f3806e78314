"""Task with a handler that takes no failed item."""

from __future__ import annotations

from tests.typing.shop import scale


def zero() -> float:
    return 0.0


scale.with_options(on_error=zero)

# mypy     Argument "on_error" to "with_options" of "BaseTask" has incompatible type "Callable[[], float]"; expected "Literal['raise', 'skip'] | Callable[[Failed[Any]], object]"  [arg-type]
# plugin   Argument "on_error" to "with_options" of "BaseTask" has incompatible type "Callable[[], float]"; expected "Literal['raise', 'skip'] | Callable[[Failed[Any]], object]"  [arg-type]
# pyright  Argument of type "() -> float" cannot be assigned to parameter "on_error" of type "((Failed[Any]) -> object) | Literal['raise', 'skip']" in function "with_options"  [reportArgumentType]
# pyrefly  Argument `() -> float` is not assignable to parameter `on_error` with type `Literal['raise', 'skip'] | ((Failed) -> object)` in function `daglite.tasks.BaseTask.with_options`  [bad-argument-type]
# ty       Argument to bound method `BaseTask.with_options` is incorrect: Expected `Literal["raise", "skip"] | ((Failed[Any], /) -> object)`, found `def zero() -> float`  [invalid-argument-type]
# python   ParameterError: `on_error` calls 'zero' with a `daglite.Failed` alone: too many positional arguments
