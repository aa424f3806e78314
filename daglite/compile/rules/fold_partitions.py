"""fold_partitions: where workers fold, they take the items of their partitions apart themselves."""

from __future__ import annotations

from daglite.compile.rewrite import Readers
from daglite.functions import Function
from daglite.ir.nodes import CompositeMapTaskNode, Fold, Link, Node, Operation
from daglite.records import replace

__all__ = ["fold_partitions"]


def fold_partitions(node: Node, readers: Readers) -> Node | None:
    """Law: folding all items = combining the folds of the partitions.

    before: map rows over partitions -> unbatch -> then f -> reduce g, with a combine
    after:  map rows over partitions, item by item -> then f -> reduce g, with a combine

    Preconditions: nothing on the way is saved, dropped, or given somewhere else to do; the generator must not be
    tried again as a whole, or within a time limit.
    """
    match node:
        case CompositeMapTaskNode(ending=Fold() as ending, most=None) if ending.combine is not None:
            links = list(node.links)
            if len(links) < 2 or not isinstance(links[0], Link):
                return None
            rows, rest = links[0], links[1:]
            if _opens(rows) and _takes_apart(rest[0]) and all(_follows(part, rows.call.function) for part in rest[1:]):
                return replace(node, links=(replace(rows, flattens=True), *rest[1:]))
            return None
        case _:
            return None


def _opens(link: Link) -> bool:
    function = link.call.function
    lasting = function.retries or function.timeout is not None
    return function.partitioned and not function.here and not lasting and not link.saves and not link.filters


def _takes_apart(part: Link | Operation) -> bool:
    return isinstance(part, Operation) and part.kind == "unbatch" and not part.saves


def _follows(part: Link | Operation, first: Function) -> bool:
    return isinstance(part, Link) and not part.saves and not part.filters and part.call.function.site == first.site
