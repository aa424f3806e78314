"""attach_saves: a save is not a second reader of a stream; the stream saves its items as they flow."""

from __future__ import annotations

from daglite.ir.nodes import CompositeMapTaskNode, Node, SaveNode
from daglite.ir.walk import postorder, rebuild
from daglite.options import Save
from daglite.records import replace


def attach_saves(root: Node) -> Node:
    """Move every `SaveNode` onto the node it saves.

    `s` and `s.save(...)` are one node then, run once, and a node that only these two read has one reader.
    """
    saves: dict[Node, list[Save]] = {}
    for node in postorder(root):
        if isinstance(node, SaveNode):
            saves.setdefault(saved_node(node), []).append(node.save)

    def attach(node: Node, new: Node) -> Node:
        if isinstance(new, SaveNode):
            return new.source
        if node not in saves or isinstance(new, CompositeMapTaskNode):
            return new
        return replace(new, saves=(*new.saves, *saves[node]))

    return rebuild(root, attach)


def saved_node(node: Node) -> Node:
    """Return the node below a chain of saves."""
    while isinstance(node, SaveNode):
        node = node.source
    return node
