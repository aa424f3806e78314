"""Apply rules over a graph, bottom up, and keep the trace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from daglite.exceptions import TaskError
from daglite.ir.nodes import Node
from daglite.ir.text import node_text
from daglite.ir.walk import Family, family, readers_of, with_children
from daglite.program import Firing
from daglite.records import replace

Readers = Callable[[Node], int]

# A rule may fire several times on one node while its operands are peeled off, but it must settle. So must all rules
# together: a round goes through the whole graph, whatever its depth, and two or three rounds are enough.
_MAX_FIRINGS_ON_A_NODE = 100
_MAX_ROUNDS = 100


class Rule(Protocol):
    """A pure rewrite: returns the better node, or None when the rule does not apply.

    `readers` counts the nodes that read a given child: a rule absorbs only a child with exactly one reader.
    """

    __name__: str

    def __call__(self, node: Node, readers: Readers, /) -> Node | None: ...


def rewrite(root: Node, rules: Sequence[Rule]) -> tuple[Node, tuple[Firing, ...]]:
    """Apply the rules in order until none fires; the trace counts how often each has fired."""
    firings: dict[str, Firing] = {}
    busy: list[str] = []
    known: Family = {}
    for _ in range(_MAX_ROUNDS):
        busy = []
        for rule in rules:
            root, fired = apply_rule(root, rule, known)
            if fired is not None:
                busy.append(fired.rule)
                before = firings.get(fired.rule)
                firings[fired.rule] = replace(before, count=before.count + fired.count) if before else fired
        if not busy:
            return root, tuple(firings.values())
    raise TaskError(f"rules {', '.join(map(repr, busy))} do not settle on {node_text(root)}; please report this")


def apply_rule(root: Node, rule: Rule, known: Family | None = None) -> tuple[Node, Firing | None]:
    """Make one bottom-up pass of one rule; a node is offered again until the rule declines it.

    `known` keeps the children of all nodes from one pass to the next.
    """
    found = family(root, known)
    if known is not None:
        known.update(found)
    readers = readers_of(found)
    done: dict[Node, Node] = {}
    firing: Firing | None = None
    for old, kids in found.items():
        node = old if all([done[kid] is kid for kid in kids]) else with_children(old, done.__getitem__)
        for _ in range(_MAX_FIRINGS_ON_A_NODE):
            better = rule(node, readers.__getitem__)
            if better is None:
                break
            if firing is None:
                firing = Firing(rule.__name__, 1, node_text(node), node_text(better), law_of(rule))
            else:
                firing = replace(firing, count=firing.count + 1)
            node = better
        else:
            raise TaskError(f"rule '{rule.__name__}' does not settle on {node_text(node)}; please report this")
        # The node that replaces another has the same readers.
        readers[node] = readers[old]
        done[old] = node
    return done[root], firing


def law_of(rule: Rule) -> str:
    """Return the law in the first line of a rule's docstring; empty where Python runs without docstrings."""
    return (rule.__doc__ or "").partition("\n")[0].removeprefix("Law: ").strip()
