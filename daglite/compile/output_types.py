"""The types of items as text, after each link of a stream."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from types import GenericAlias
from typing import TypeAlias

from daglite.ir.nodes import Argument, Link, OperationLink, OperationNode
from daglite.operations import spec_of
from daglite.operations.spec import ItemTypes

_CONTAINER = re.compile(r"^(?:list|set|frozenset|deque|Sequence|Iterable|Collection)\[(.*)\]$", re.DOTALL)
_TUPLE = re.compile(r"^tuple\[([^,\[\]]*(?:\[.*\])?), \.\.\.\]$", re.DOTALL)

# Returns the type of the items of another stream, as text.
TypeOf: TypeAlias = Callable[[Argument], str]


def type_after(links: Iterable[Link | OperationLink], before: str, type_of: TypeOf) -> str:
    """Return the type of the outputs of some links, when items of the type `before` go in."""
    for link in links:
        if isinstance(link, OperationLink):
            before = type_after_operation(link, before, type_of)
        elif not link.filters:
            before = link.call.function.returns
    return before


def type_after_operation(operation: OperationLink | OperationNode, before: str, type_of: TypeOf) -> str:
    """Return the type of the outputs of an operation on such items."""
    operand = "?" if operation.operand is None else type_of(operation.operand)
    types = ItemTypes(before, operation.call.function.returns, operand, _held)
    return _text(spec_of(operation.kind).output(types))


def _text(type_: object) -> str:
    """Return the text of a type that is made of texts and classes."""
    if isinstance(type_, GenericAlias):
        return f"{type_.__origin__.__name__}[{', '.join(map(_text, type_.__args__))}]"
    return type_.__name__ if isinstance(type_, type) else str(type_)


def _held(container: object) -> str:
    """Return the type of what a container holds; "?" where that is not known."""
    match = _CONTAINER.match(str(container)) or _TUPLE.match(str(container))
    return match[1] if match else "?"
