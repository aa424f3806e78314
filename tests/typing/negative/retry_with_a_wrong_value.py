"""Retry with a wrong value."""

from __future__ import annotations

from daglite import Retry

Retry(on=[OSError])

# mypy     Argument "on" to "Retry" has incompatible type "list[type[OSError]]"; expected "tuple[type[Exception], ...]"  [arg-type]
# plugin   Argument "on" to "Retry" has incompatible type "list[type[OSError]]"; expected "tuple[type[Exception], ...]"  [arg-type]
# pyright  Argument of type "list[type[OSError]]" cannot be assigned to parameter "on" of type "tuple[type[Exception], ...]" in function "__init__"  [reportArgumentType]
# pyrefly  Argument `list[type[OSError]]` is not assignable to parameter `on` with type `tuple[type[Exception], ...]` in function `daglite.retry.Retry.__init__`  [bad-argument-type]
# ty       Argument is incorrect: Expected `tuple[type[Exception], ...]`, found `list[<class 'OSError'>]`  [invalid-argument-type]
# python   ParameterError: `on` of `Retry` must be a tuple of exception classes; got [<class 'OSError'>]
