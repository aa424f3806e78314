"""Classes: one without a readable signature."""

from __future__ import annotations

from daglite import task

task(str)(3)

# mypy     ok
# plugin   ok
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ok
