"""Compile of a task."""

from __future__ import annotations

from daglite import compile
from tests.typing.shop import double

compile(double)

# mypy     Argument 1 to "compile" has incompatible type "Task[[int], int]"; expected "Pipeline[Never]"  [arg-type]
# plugin   Argument 1 to "compile" has incompatible type "Task[[int], int]"; expected "Pipeline[Never]"  [arg-type]
# pyright  Argument of type "Task[(x: int), int]" cannot be assigned to parameter "pipeline" of type "Pipeline[R@compile]" in function "compile"  [reportArgumentType]
# pyrefly  Argument `Task[[x: int], int]` is not assignable to parameter `pipeline` with type `Pipeline[@_]` in function `daglite.compile.compile`  [bad-argument-type]
# ty       Argument to function `compile` is incorrect: Expected `Pipeline[Unknown]`, found `Task[(x: int), int]`  [invalid-argument-type]
# python   TaskError: `compile` needs a future; got Task(double); call a task, or use `.iter`, `.map`, `.then`
