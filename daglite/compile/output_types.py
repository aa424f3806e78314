"""The texts of types as data flows: what items are behind a link or an operation."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TypeAlias

from daglite.ir.nodes import Argument, Link, OperationLink, OperationNode

_HOLDS = re.compile(r"^(?:list|set|frozenset|deque|Sequence|Iterable|Collection)\[(.*)\]$", re.DOTALL)
_PAIRS = re.compile(r"^tuple\[([^,\[\]]*(?:\[.*\])?), \.\.\.\]$", re.DOTALL)

# The text of the type of the items of another stream.
Other: TypeAlias = Callable[[Argument], str]


def after(parts: Iterable[Link | OperationLink], before: str, other: Other) -> str:
    """The type of what comes out behind these, when `before` goes in."""
    for part in parts:
        if isinstance(part, OperationLink):
            before = after_operation(part, before, other)
        elif not part.filters:
            before = part.call.function.returns
    return before


def after_operation(operation: OperationLink | OperationNode, before: str, other: Other) -> str:
    """The type of what an operation makes of items."""
    match operation.kind:
        case "batch" | "window":
            return f"list[{before}]"
        case "unbatch":
            return held(before)
        case "enumerate":
            return f"tuple[int, {before}]"
        case "group_by":
            return f"tuple[{operation.call.function.returns}, list[{before}]]"
        case "zip":
            assert operation.other is not None
            return f"tuple[{before}, {other(operation.other)}]"
        case "distinct" | "skip" | "take" | "take_while":
            return before


def held(container: str) -> str:
    """The type of what a container holds; "?" where that is not known."""
    match = _HOLDS.match(container) or _PAIRS.match(container)
    return match[1] if match else "?"
