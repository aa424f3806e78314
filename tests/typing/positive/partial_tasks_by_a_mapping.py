"""Partial tasks: by a mapping."""

from __future__ import annotations

from typing import Any, assert_type

from daglite import PartialTask, TaskFuture
from tests.typing.shop import scale

fixed: dict[str, Any] = {"factor": 2.0}
assert_type(scale.partial(**fixed), PartialTask[..., float])
assert_type(scale.partial(**fixed)(x=1.0), TaskFuture[float])

# mypy     ok
# plugin   ok
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ok
