"""The compiler, read from top to bottom: each line is a pass."""

from __future__ import annotations

from daglite.compile.check import check
from daglite.compile.limit_pushdown import push_limits
from daglite.compile.lower import lower
from daglite.compile.rewrite import rewrite
from daglite.compile.rules import RULES
from daglite.compile.saves import attach_saves
from daglite.compile.types import check_types
from daglite.ir.nodes import Node
from daglite.options import Limits
from daglite.program import Firing, Program


def prepared(root: Node) -> Node:
    """Return the graph that the rules may rewrite: saves and limits are where they act."""
    return push_limits(attach_saves(root))


def compile_program(root: Node, kind: str, limits: Limits, *, optimize: bool, typed: bool = False) -> Program:
    """Compile a graph; `kind` is the name of the future's class, printed in the plan's title."""
    graph = prepared(root)
    check(graph)
    if typed:
        check_types(graph)
    trace: tuple[Firing, ...] = ()
    if optimize:
        graph, trace = rewrite(graph, RULES)
        check(graph)
    return lower(graph, kind, limits, trace, optimised=optimize)
