"""Who asks whom for how many items, by the look of a graph: for the oracle."""

from __future__ import annotations

from tests.properties.describe import (
    Each,
    Graph,
    Keep,
    Operate,
    Over,
    Sift,
    Take,
    Use,
    drops,
    needed,
    reads,
    streams,
    through,
)

__all__ = ["asked", "chain", "other_of", "readers_of", "source_of"]


def readers_of(graph: Graph) -> dict[int, list[int]]:
    """Who reads each node, as often as it does; a save reads nothing of its own."""
    found: dict[int, list[int]] = {position: [] for position in needed(graph)}
    for position in found:
        node = graph.nodes[position]
        for read in reads(node) if not isinstance(node, Keep) else []:
            found[through(graph, read)].append(position)
    return found


def source_of(graph: Graph, position: int) -> int | None:
    """The stream whose items become those of a node."""
    match graph.nodes[position]:
        case Each(source=read) | Sift(source=read) | Take(source=read) | Operate(source=read):
            return through(graph, read)
        case Over(sources=((_, Use(node=read)),)) if streams(graph, read):
            return through(graph, read)
        case _:
            return None


def asked(graph: Graph, readers: dict[int, list[int]], position: int) -> int | None:
    """How many items of a stream its only reader asks for; None: all."""
    if len(readers[position]) != 1:
        return None
    reader = readers[position][0]
    if position not in (source_of(graph, reader), other_of(graph, graph.nodes[reader])):
        return None
    more, node = asked(graph, readers, reader), graph.nodes[reader]
    if isinstance(node, Take):
        return node.n if more is None else min(node.n, more)
    if isinstance(node, Operate):
        return None if more is None else fed(node, more)
    return more if not drops(node) or more == 0 else None


def fed(node: Operate, more: int) -> int | None:
    """How many items an operation asks for to give so many."""
    number = dict(node.numbers)
    if not more:
        return 0
    match node.kind:
        case "enumerate" | "scan" | "zip":
            return more
        case "batch":
            return more * number["n"]
        case "skip":
            return more + number["n"]
        case "window":
            return (more - 1) * number["step"] + number["n"]
        case _:
            return None


def chain(graph: Graph, readers: dict[int, list[int]], position: int) -> list[int]:
    """The streams above a node that are read for it alone."""
    found: list[int] = []
    source = source_of(graph, position)
    while source is not None and len(readers[source]) == 1:
        found.append(source)
        source = source_of(graph, source)
    return found


def other_of(graph: Graph, node: object) -> int | None:
    return through(graph, node.other) if isinstance(node, Operate) and node.other is not None else None
