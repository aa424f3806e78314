"""Compile of a value."""

from __future__ import annotations

from daglite import compile

compile(3)

# mypy     Argument 1 to "compile" has incompatible type "int"; expected "Pipeline[Never]"  [arg-type]
# plugin   Argument 1 to "compile" has incompatible type "int"; expected "Pipeline[Never]"  [arg-type]
# pyright  Argument of type "Literal[3]" cannot be assigned to parameter "pipeline" of type "Pipeline[R@compile]" in function "compile"  [reportArgumentType]
# pyrefly  Argument `Literal[3]` is not assignable to parameter `pipeline` with type `Pipeline[@_]` in function `daglite.compile.compile`  [bad-argument-type]
# ty       Argument to function `compile` is incorrect: Expected `Pipeline[Unknown]`, found `Literal[3]`  [invalid-argument-type]
# python   TaskError: `compile` needs a future; got 3; call a task, or use `.iter`, `.map`, `.then`
