"""Classes: one without a readable signature."""

from __future__ import annotations

from daglite import task

task(str)(3)

# mypy     ok
# plugin   ok
# pyright  ok
# python   TaskError: task 'str' has no readable signature: wrap it in a `lambda` or a `def`
# why      Python has no signature of it, typeshed has
