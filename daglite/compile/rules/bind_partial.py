"""bind_partial: a partial's fixed values are ordinary bindings."""

from __future__ import annotations

from daglite.compile.rewrite import Readers
from daglite.ir.nodes import Call, CompositeMapTaskNode, CompositeTaskNode, Node, SaveNode, TakeNode
from daglite.records import replace


def bind_partial(node: Node, readers: Readers) -> Node | None:
    """Law: `t.partial(a=1).iter(b=2)` = `t.iter(a=1, b=2)`.

    before: iter rows (fixed a=1; b=2)
    after:  iter rows (a=1, b=2)

    Precondition: none; the names cannot clash, because binding checked them. Arguments have no order of evaluation.
    """
    if isinstance(node, SaveNode | TakeNode | CompositeMapTaskNode | CompositeTaskNode) or not node.call.fixed:
        return None
    call = node.call
    return replace(node, call=Call(call.function, (), call.fixed + call.bound))
