"""attach_saves: a save is not a second reader of a stream; the stream saves its items as they flow."""

from __future__ import annotations

from daglite.ir.nodes import CompositeMapTaskNode, Node, SaveNode
from daglite.ir.walk import postorder, with_children
from daglite.options import Save
from daglite.records import replace


def attach_saves(root: Node) -> Node:
    """Move every `SaveNode` onto the node it saves.

    `s` and `s.save(...)` are one node then, run once, and a node that only these two read has one reader.
    """
    order = postorder(root)
    saves: dict[Node, list[Save]] = {}
    for node in order:
        if isinstance(node, SaveNode):
            saves.setdefault(saved_node(node), []).append(node.save)
    done: dict[Node, Node] = {}
    for node in order:
        if isinstance(node, SaveNode):
            done[node] = done[node.source]
            continue
        new = with_children(node, done.__getitem__)
        if node in saves and not isinstance(new, CompositeMapTaskNode | SaveNode):
            new = replace(new, saves=(*new.saves, *saves[node]))
        done[node] = new
    return done[root]


def saved_node(node: Node) -> Node:
    """Return the node below a chain of saves."""
    while isinstance(node, SaveNode):
        node = node.source
    return node
