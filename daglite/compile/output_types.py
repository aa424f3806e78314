"""The texts of types as data flows: what items are behind a link or an operation."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from types import GenericAlias
from typing import TypeAlias

from daglite.ir.nodes import Argument, Link, OperationLink, OperationNode
from daglite.operations import spec_of
from daglite.operations.spec import ItemTypes

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
    """Return the type of the outputs of an operation on such items."""
    operand = "?" if operation.operand is None else other(operation.operand)
    types = ItemTypes(before, operation.call.function.returns, operand, held)
    return _text(spec_of(operation.kind).output(types))


def _text(type_: object) -> str:
    """Return the text of a type made of texts."""
    if isinstance(type_, GenericAlias):
        return f"{type_.__origin__.__name__}[{', '.join(map(_text, type_.__args__))}]"
    return type_.__name__ if isinstance(type_, type) else str(type_)


def held(container: object) -> str:
    """The type of what a container holds; "?" where that is not known."""
    match = _HOLDS.match(str(container)) or _PAIRS.match(str(container))
    return match[1] if match else "?"
