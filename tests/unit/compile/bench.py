"""A workbench for rules: one rule applied to a pipeline, and pipelines run with some rules only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from daglite import Future, Plan, compile
from daglite.compile.check import check
from daglite.compile.driver import prepared
from daglite.compile.lower import lower
from daglite.compile.rewrite import Rule, apply_rule, rewrite
from daglite.functions import Function
from daglite.ir.nodes import Argument, Binding, Call, Node, Value
from daglite.options import Limits
from daglite.run_options import RunOptions
from tests.samples import Memory, check_golden

__all__ = ["bound", "call", "check_law", "declines", "explained", "planned", "rewritten"]

GOLDEN = Path(__file__).parent / "golden"


def rewritten(pipeline: Future[object], *rules: Rule) -> Node:
    """The graph after one pass of each rule, in turn."""
    graph = prepared(pipeline.node)
    for rule in rules:
        graph, _ = apply_rule(graph, rule)
    return graph


def declines(rule: Rule, graph: Node) -> bool:
    """Whether a pass of the rule leaves the whole graph alone."""
    after, fired = apply_rule(graph, rule)
    return after is graph and fired is None


def planned(pipeline: Future[object], rules: Sequence[Rule]) -> Plan[object]:
    """The plan that these rules alone lead to; like the driver, it checks the graph before and after."""
    graph = prepared(pipeline.node)
    check(graph)
    graph, trace = rewrite(graph, rules)
    check(graph)
    return Plan(lower(graph, type(pipeline).__name__, Limits(), trace, optimised=bool(rules)))


def check_law(rule: Rule, pipeline: Future[object], wanted: object) -> None:
    """The rule alone fires, and results and saves stay what they are without it."""
    on, off = planned(pipeline, [rule]), planned(pipeline, [])
    assert [firing.rule for firing in on.program.trace] == [rule.__name__]
    kept: list[Memory] = [Memory(), Memory()]
    found = [plan.run(**RunOptions(runtime="inline", store=store)) for plan, store in zip([on, off], kept, strict=True)]
    assert found == [wanted, wanted]
    assert sorted(kept[0].saved) == sorted(kept[1].saved)


def explained(name: str, pipeline: Future[object]) -> None:
    """Compare the explain text of the plan with the golden file of this name."""
    check_golden(GOLDEN / f"{name}.txt", compile(pipeline).explain())


def call(function: Function, *bindings: Binding) -> Call:
    """A call with ordinary bindings only."""
    return Call(function, (), bindings)


def bound(**values: object) -> tuple[Binding, ...]:
    """Bindings to nodes, or to plain values."""
    return tuple(Binding(name, _argument(value)) for name, value in values.items())


def _argument(value: object) -> Argument:
    return value if isinstance(value, Node) else Value(value)
