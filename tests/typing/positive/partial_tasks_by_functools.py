"""Partial tasks: by functools."""

from __future__ import annotations

import functools
from typing import assert_type

from daglite import MapTaskFuture, TaskFuture, task
from tests.typing.shop import minus, numbers, scale

assert_type(numbers.iter(n=3).then(functools.partial(scale, factor=2.0)), MapTaskFuture[float])
assert_type(task(functools.partial(minus.fn, 2))(b=1), TaskFuture[int])

# mypy     ok
# plugin   ok
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ok
