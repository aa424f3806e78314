"""fold_partitions: where workers fold, they take the items of their partitions apart themselves."""

from __future__ import annotations

from daglite.compile.rewrite import Readers
from daglite.functions import Placement
from daglite.ir.nodes import CombineCall, CompositeMapTaskNode, Fold, Link, Node, OperationLink
from daglite.records import replace


def fold_partitions(node: Node, readers: Readers) -> Node | None:
    """Law: folding all items = combining the folds of the partitions.

    before: map rows over partitions -> unbatch -> then f -> reduce g, with a combine
    after:  map rows over partitions, item by item -> then f -> reduce g, with a combine

    Preconditions: nothing on the way is saved, dropped (by a filter, or by a task that skips items at which it fails),
    or given somewhere else to do, the event loop included; the generator must not be tried again as a whole, or within
    a time limit, and nothing else may come in its place when it fails.
    """
    match node:
        case CompositeMapTaskNode(sink=Fold(combine=CombineCall()), most=None, links=[Link() as rows, apart, *rest]):
            site = rows.call.function.site
            if _opens(rows) and _takes_apart(apart) and all(_follows(part, site) for part in rest):
                return replace(node, links=(replace(rows, flattens=True), *rest))
            return None
        case _:
            return None


def _opens(link: Link) -> bool:
    function = link.call.function
    whole = function.tries or function.timeout is not None
    return function.partitioned and not function.here and not function.loops and not whole and not link.saves


def _takes_apart(part: Link | OperationLink) -> bool:
    return isinstance(part, OperationLink) and part.kind == "unbatch" and not part.saves


def _follows(part: Link | OperationLink, site: Placement | None) -> bool:
    if not isinstance(part, Link) or part.saves or part.filters:
        return False
    function = part.call.function
    return not function.skips and not function.loops and function.site == site
