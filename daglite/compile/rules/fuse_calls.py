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

    Preconditions: g's value has no other reader and no save (it is needed in the coordinator then); neither is a
    generator (its items are kept one by one); f waits for nothing but g (else independent calls would run in turn);
    no key of f's saves names the parameter that g's value fills (the value would not come back to the coordinator);
    nothing fixed by a partial is left, so that the value's parameter is among the ordinary bindings; both ask to run in
    the same place (`on`), or neither asks.
    """
    if not isinstance(node, TaskNode) or node.call.function.streams or node.call.fixed:
        return None
    below = children(node)
    if len(below) != 1 or readers(below[0]) != 1:
        return None
    inner = below[0]
    if any(binding.argument is inner and binding.name in _named(node) for binding in node.call.bound):
        return None
    if isinstance(inner, TaskNode) and _goes_on(inner.call, inner.saves, node) and not inner.call.function.streams:
        return CompositeTaskNode(inner.call, (_link(node.call, inner),), node.saves)
    if isinstance(inner, CompositeTaskNode) and _goes_on(inner.first, inner.saves, node):
        return replace(inner, links=extended(inner.links, _link(node.call, inner)), saves=node.saves)
    return None


def _goes_on(call: Call, saves: Sequence[Save], node: TaskNode) -> bool:
    """Whether nobody sees the value of what stands before, and the call after it asks for no other place."""
    before, after = call.function, node.call.function
    return not saves and (before.site, before.loops) == (after.site, after.loops)


def _named(node: TaskNode) -> set[str]:
    """The parameters that keys of the node's saves name."""
    return {name for save in node.saves for name in save.key.names}


def _link(call: Call, inner: Node) -> Link:
    """The call without the binding that the value before it fills."""
    name = next(binding.name for binding in call.bound if binding.argument is inner)
    rest = tuple(binding for binding in call.bound if binding.argument is not inner)
    return Link(Call(call.function, (), rest), (name,), ())
