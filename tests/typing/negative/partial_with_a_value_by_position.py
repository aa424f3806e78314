"""Partial with a value by position."""

from __future__ import annotations

from tests.typing.shop import scale

scale.partial(2.0)

# mypy     Too many arguments for "partial" of "BaseTask"  [call-arg]
# plugin   Too many positional arguments for "scale.partial"  [call-arg]
# pyright  Expected 0 positional arguments  [reportCallIssue]
# pyrefly  Expected 0 positional arguments, got 1 in function `daglite.tasks.BaseTask.partial`  [bad-argument-count]
# ty       Too many positional arguments to bound method `BaseTask.partial`: expected 1, got 2  [too-many-positional-arguments]
# python   ParameterError: `partial` of task 'scale' takes its values by name; got 2.0 by position: write .partial(x=...)
