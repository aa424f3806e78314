"""The operations of a stream: one module for each, with everything about it.

    batch.py  distinct.py  ...   the `SPEC` of an operation: its meaning, its operator, its types, its limits
    spec.py                      the fields of a spec
    operator.py                  the base of operators, which do at run time what an operation means

To add an operation, write its module, list its name here and give `futures.items.Items` a method.
"""

from __future__ import annotations

import functools
import importlib
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from daglite.operations.spec import OperatorSpec

OperationKind = Literal[
    "batch",
    "distinct",
    "enumerate",
    "group_by",
    "scan",
    "skip",
    "take",
    "take_while",
    "unbatch",
    "window",
    "zip",
]
OPERATIONS: tuple[OperationKind, ...] = get_args(OperationKind)


@functools.cache
def spec_of(kind: OperationKind) -> OperatorSpec:
    """Return the spec of an operation; its module is imported at the first call."""
    spec: OperatorSpec = importlib.import_module(f"daglite.operations.{kind}").SPEC
    return spec
