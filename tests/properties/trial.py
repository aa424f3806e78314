"""Running a described pipeline and comparing it with the oracle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import settings

import daglite
from daglite import Future, Plan
from daglite.compile.check import check
from daglite.compile.driver import prepared
from daglite.compile.lower import lower
from daglite.compile.rewrite import Rule, rewrite
from daglite.exceptions import failure_of
from daglite.options import Limits
from tests.properties.build import Ready, build
from tests.properties.describe import Each, Fold, Graph, Iterate, Keep, Operate, Parts, Sift, Take, kept, through
from tests.properties.oracle import Error, evaluate

__all__ = ["EXAMPLES", "Recorder", "Seen", "agree", "attempt", "compiled_with", "end", "trial"]

# What the profile asks for; laws that start no process draw several times as much.
EXAMPLES = settings.default.max_examples if settings.default else 50


class Recorder:
    """A store that remembers every save in order; values as text, as they were at that moment."""

    def __init__(self) -> None:
        self.log: list[tuple[str, str]] = []

    def save(self, key: str, value: object) -> None:
        self.log.append((key, repr(value)))


@dataclass
class Seen:
    """What a run did: its value or its error, and what it saved in the store of a save and in that of the run."""

    value: object = None
    error: BaseException | None = None
    stores: dict[str, Recorder] = field(default_factory=lambda: {"own": Recorder(), "run": Recorder()})


def compiled_with(pipeline: Future[Any], rules: Sequence[Rule]) -> Plan[Any]:
    """As `daglite.compile`, with other rules."""
    graph, trace = rewrite(prepared(pipeline.node), rules)
    check(graph)
    return Plan(lower(graph, type(pipeline).__name__, Limits(), trace, optimised=True))


def trial(
    graph: Graph, *, rules: Sequence[Rule] | None = None, ready: Ready | None = None, compiling: Any = None, **run: Any
) -> Seen:
    """Build, compile and run; inline unless told otherwise."""
    seen = Seen()
    stores = {"own": seen.stores["own"], "run": None}
    pipeline = build(graph, stores, *([ready] if ready else []))
    plan = daglite.compile(pipeline, **(compiling or {})) if rules is None else compiled_with(pipeline, rules)
    return attempt(plan, seen, **run)


def attempt(plan: Plan[Any], seen: Seen, **run: Any) -> Seen:
    try:
        seen.value = plan.run(store=seen.stores["run"], **({"runtime": "inline"} | run))
    except Exception as error:
        seen.error = error
    return seen


def end(plan: Plan[Any], **run: Any) -> tuple[object, ...]:
    """How a run ends, for comparing two plans: its value, or its error and the item it comes from."""
    seen = attempt(plan, Seen(), **run)
    if seen.error is None:
        return (repr(seen.value),)
    failure = failure_of(seen.error)
    return type(seen.error), str(seen.error), failure and failure.index


def agree(graph: Graph, seen: Seen, *, in_order: bool = True) -> None:
    """The run did what the oracle says. `in_order` False: folds that asked for no order may have taken none."""
    expected = evaluate(graph)
    if expected.errors or (seen.error is not None and expected.spare):
        _agree_on_error(graph, seen, expected.errors + expected.spare, in_order=in_order)
    elif seen.error is not None:
        raise seen.error
    else:
        assert repr(seen.value) == repr(expected.value)
    for store, recorder in seen.stores.items():
        keys = [key for key, _ in recorder.log]
        assert len(keys) == len(set(keys)), "a key was written twice"
        ours = {p: saves for p, saves in expected.saves.items() if _keep(graph, p).store == store}
        allowed = {key: repr(value) for saves in ours.values() for key, value in saves}
        assert dict(recorder.log).items() <= allowed.items()
        if seen.error is None:
            assert set(allowed) - expected.spare_keys <= set(keys)
        for position, saves in ours.items():
            known = [key for key, _ in saves]
            if in_order or isinstance(kept(graph, position), Iterate):
                mine = set(known)
                assert [key for key in keys if key in mine] == [key for key in known if key in set(keys)]


def _agree_on_error(graph: Graph, seen: Seen, errors: list[Error], *, in_order: bool) -> None:
    assert seen.error is not None, f"should have failed, gave {seen.value!r}"
    failure = failure_of(seen.error)
    assert failure is not None
    got = Error(type(seen.error).__name__, str(seen.error), int(failure.task.rpartition(".")[2]), failure.index)
    if got.node in _in_partitions(graph):
        # Where workers fold their partitions nobody counts the items of those before: the index is the partition's.
        errors = [replace(error, index=got.index) for error in errors]
    elif in_order:
        errors = [error for error in errors if _first(error, errors)]
    assert got in errors
    # Each item of the failed stream was saved before it was dispatched.
    source, least = got.node, got.index
    while isinstance(node := kept(graph, source), Each | Sift | Fold):
        source = through(graph, node.source)
        while isinstance(take := graph.nodes[source], Take):
            source = through(graph, take.source)
    for position, saves in evaluate(graph).saves.items():
        if through(graph, position) == source and isinstance(node, Iterate):
            must = [key for key, _ in saves][: None if least is None else least + 1]
            assert set(must) <= {key for key, _ in seen.stores[_keep(graph, position).store].log}


def _in_partitions(graph: Graph) -> set[int]:
    """The folds in parts of the items of partitions, and the steps on the way."""
    found: set[int] = set()
    for position, fold in enumerate(graph.nodes):
        way, node = [position], fold
        while isinstance(node, Fold | Each) and isinstance(fold, Fold) and fold.combines:
            way.append(through(graph, node.source))
            node = graph.nodes[way[-1]]
        if isinstance(node, Operate) and isinstance(graph.nodes[node.source], Parts):
            found.update(way)
    return found


def _first(error: Error, errors: list[Error]) -> bool:
    return all(error.index <= other.index for other in errors if _same_node(error, other))  # type: ignore[operator]


def _same_node(error: Error, other: Error) -> bool:
    return error.node == other.node and error.index is not None and other.index is not None


def _keep(graph: Graph, position: int) -> Keep:
    node = graph.nodes[position]
    assert isinstance(node, Keep)
    return node
