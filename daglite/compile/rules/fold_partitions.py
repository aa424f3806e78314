"""fold_partitions: where workers fold, they unbatch their partitions themselves."""

from __future__ import annotations

from daglite.compile.rewrite import Readers
from daglite.functions import Placement
from daglite.ir.nodes import CombineCall, CompositeMapTaskNode, Fold, Link, Node, OperationLink
from daglite.records import replace


def fold_partitions(node: Node, readers: Readers) -> Node | None:
    """Law: folding all items = combining the folds of the partitions.

    before: map rows over partitions -> unbatch -> then f -> reduce g, with a combine
    after:  map rows over partitions, item by item -> then f -> reduce g, with a combine

    Preconditions: no step saves items, drops them (a filter, a task that skips items at which it fails), or runs in
    another place, the event loop included. The generator has no retries, no time limit and no `on_error`: these are
    about a call as a whole.
    """
    match node:
        case CompositeMapTaskNode(
            sink=Fold(combine=CombineCall()), max_results=None, links=[Link() as rows, unbatch, *rest]
        ):
            site = rows.call.function.site
            if _reads_partitions(rows) and _unbatches(unbatch) and all(_runs_beside(link, site) for link in rest):
                return replace(node, links=(replace(rows, flattens=True), *rest))
            return None
        case _:
            return None


def _reads_partitions(link: Link) -> bool:
    function = link.call.function
    whole = function.tries or function.timeout is not None
    return function.partitioned and not function.here and not function.loops and not whole and not link.saves


def _unbatches(link: Link | OperationLink) -> bool:
    return isinstance(link, OperationLink) and link.kind == "unbatch" and not link.saves


def _runs_beside(link: Link | OperationLink, site: Placement | None) -> bool:
    if not isinstance(link, Link) or link.saves or link.filters:
        return False
    function = link.call.function
    return not function.skips and not function.loops and function.site == site
