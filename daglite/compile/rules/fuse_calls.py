"""fuse_calls: a chain of single calls travels as one."""

from __future__ import annotations

from collections.abc import Sequence

from daglite.compile.rewrite import Readers
from daglite.compile.streams import extended
from daglite.ir.nodes import Call, CompositeTaskNode, Link, Node, TaskNode
from daglite.ir.walk import children
from daglite.options import Save
from daglite.records import replace


def fuse_calls(node: Node, readers: Readers) -> Node | None:
    """Law: `f(x=g(...))` = `f(g(...))` in one trip to a worker.

    before: call f (x = call g)
    after:  call g -> call f

    Preconditions: g's value has no other reader and no save (the coordinator would need it); neither is a generator
    (its items are kept one by one); f reads no other node (else independent calls would run one after the other); no
    key of f's saves names the parameter that g's value fills (the coordinator does not get the value); no argument is
    fixed by a partial any more; both run in the same place (`on`).
    """
    if not isinstance(node, TaskNode) or node.call.function.streams or node.call.fixed:
        return None
    below = children(node)
    if len(below) != 1 or readers(below[0]) != 1:
        return None
    inner = below[0]
    if any(binding.argument is inner and binding.name in _named(node) for binding in node.call.bound):
        return None
    if isinstance(inner, TaskNode) and _continues(inner.call, inner.saves, node) and not inner.call.function.streams:
        return CompositeTaskNode(inner.call, (_link(node.call, inner),), node.saves)
    if isinstance(inner, CompositeTaskNode) and _continues(inner.first, inner.saves, node):
        return replace(inner, links=extended(inner.links, _link(node.call, inner)), saves=node.saves)
    return None


def _continues(call: Call, saves: Sequence[Save], node: TaskNode) -> bool:
    """Return whether the value of the first call has no save, and both calls run in the same place."""
    before, after = call.function, node.call.function
    return not saves and (before.site, before.loops) == (after.site, after.loops)


def _named(node: TaskNode) -> set[str]:
    """Return the parameters that keys of the node's saves name."""
    return {name for save in node.saves for name in save.key.names}


def _link(call: Call, inner: Node) -> Link:
    """Return the call without the binding that the value before it fills."""
    name = next(binding.name for binding in call.bound if binding.argument is inner)
    rest = tuple(binding for binding in call.bound if binding.argument is not inner)
    return Link(Call(call.function, (), rest), (name,), ())
