"""How many items the nodes of a description have, as far as that is known, and whether items hold others."""

from __future__ import annotations

from collections.abc import Sequence

from tests.properties.describe import (
    Const,
    Each,
    Invoke,
    Iterate,
    Keep,
    Node,
    Operate,
    Over,
    Parts,
    Sift,
    Take,
    Use,
    arguments,
    drops,
)

__all__ = ["holds", "length_of"]


def holds(nodes: Sequence[Node], source: int) -> bool:
    """Whether each item surely holds others."""
    while isinstance(node := nodes[source], Keep | Take | Sift) or (
        isinstance(node, Operate) and node.kind in ("skip", "take_while", "distinct")
    ):
        source = node.source
    if isinstance(node, Operate):
        return node.kind in ("batch", "window")
    # A failed item that goes by holds nothing.
    return isinstance(node, Each) and node.fn.name in ("listing", "spread") and node.fn.fate != "keep"


def length_of(node: Node, lengths: Sequence[int | None]) -> int | None:
    """How many items a node has; None where nobody knows."""
    if isinstance(node, Take):
        known = lengths[node.source]
        return None if known is None else min(known, node.n)
    if isinstance(node, Operate):
        return _made(node, lengths)
    if isinstance(node, Parts):
        return None
    bound = {} if isinstance(node, Keep) else dict(arguments(node))
    values = {name: arg.value for name, arg in bound.items() if isinstance(arg, Const)}
    match node:
        case Iterate() | Invoke() if node.fn.name == "emit":
            items = values["items"]
            return len(items) if isinstance(items, tuple) else None
        case Iterate() | Invoke() if node.fn.name == "count":
            n = values["n"]
            return n if isinstance(n, int) else None
        case Invoke() if node.fn.name == "listing":
            n = values.get("n", 2)
            return n if isinstance(n, int) else None
        case Each() | Over() if drops(node):
            return None
        case Each() | Keep():
            return lengths[node.source]
        case Over():
            sizes = [
                (lengths[arg.node] or 0) if isinstance(arg, Use) else len(tuple(arg.value))  # type: ignore[arg-type]
                for _, arg in node.sources
            ]
            if node.mode == "zip":
                return sizes[0]
            total = 1
            for size in sizes:
                total *= size
            return total
        case _:
            return None


def _made(node: Operate, lengths: Sequence[int | None]) -> int | None:
    known, number = lengths[node.source], dict(node.numbers)
    if known is None:
        return None
    match node.kind:
        case "batch":
            return -(-known // number["n"])
        case "enumerate" | "scan":
            return known
        case "skip":
            return max(0, known - number["n"])
        case "window":
            return len(range(number["n"] - 1, known, number["step"]))
        case _:
            return None
