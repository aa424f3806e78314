"""Reduce with a combine of a wrong type: a task."""

from __future__ import annotations

from tests.typing.shop import add, numbers, upper

numbers.iter(n=3).reduce(add, initial=0.0, combine=upper)
