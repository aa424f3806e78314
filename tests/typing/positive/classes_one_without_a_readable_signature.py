"""Classes: one without a readable signature."""

from __future__ import annotations

from daglite import task

task(str)(3)

# mypy     ok
# plugin   ok
# pyright  ok
# pyrefly  ok
# ty       ok
# python   TaskError: task 'str' has no readable signature: wrap it in a `lambda` or a `def`
# why      python: it has no signature of `str`, typeshed has
