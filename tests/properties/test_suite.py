"""The suite looks at itself: the oracle is independent, and what is drawn has what the laws are about."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from hypothesis import given, seed, settings

import daglite
from daglite.compile.rules import RULES
from daglite.program import StreamStage
from tests.properties import asking, describe, functions, operate, oracle
from tests.properties.build import build
from tests.properties.describe import (
    Const,
    Fold,
    Graph,
    Iterate,
    Keep,
    Operate,
    Over,
    Sift,
    Take,
    Tell,
    Use,
    needed,
    shared,
)  # fmt: skip
from tests.properties.draw import graphs
from tests.properties.oracle import evaluate

SAMPLE = 1000
SEARCHES = 40
SHARES = {"shared": 0.30, "linear": 0.20, "saves": 0.20, "partials": 0.20, "empty": 0.05, "failures": 0.10}
# Of the finer things, enough that each is met many times.
PRESENT = {
    "futures as arguments", "partial of partial", "products", "zips", "map over futures", "unordered folds",
    "folds in parts", "filters", "fate skip", "fate mend", "fate keep", "takes", "takes behind filters", "async",
    "by reference", "retries", "saves without an index", "stream saves", "saves of the run's store", "folds by name",
    "several segments", "on threads", "on processes", "on coordinator", "several places in a stream",
    "batch", "distinct", "enumerate", "group_by", "scan", "skip", "take_while", "unbatch", "window", "zip",
    "flat maps", "partitions", "from_iterable", "count", "min", "max", "sum", "for_each", "streams pulled by others",
    *(rule.__name__ for rule in RULES),
}  # fmt: skip


def test_oracle_imports_nothing_of_daglite() -> None:
    """The oracle, and everything it imports, is written without daglite."""
    for module in (oracle, asking, operate, describe, functions):
        assert module.__file__ is not None
        names = set(imported(ast.parse(Path(module.__file__).read_text(encoding="utf-8"))))
        ours = {name for name in names if name.partition(".")[0] == "tests"}
        parts = ("asking", "describe", "functions", "operate", "outcome")
        assert ours <= {f"tests.properties.{part}" for part in parts}
        assert names - ours <= {
            "__future__", "collections", "collections.abc", "dataclasses", "inspect", "itertools", "threading",
            "typing", "zlib",
        }  # fmt: skip


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "a relative import"
        elif isinstance(node, ast.Name) and node.id in ("__import__", "importlib", "exec", "eval"):
            yield node.id


def test_drawn_pipelines_have_what_the_laws_are_about() -> None:
    """Sharing, saves, partials, empty sources and failures have their share; nothing else is rare."""
    counts: Counter[str] = Counter()

    @settings(max_examples=SAMPLE // SEARCHES, derandomize=False, database=None)
    @given(graphs())
    def draw(graph: Graph) -> None:
        counts.update({"all": 1, **dict.fromkeys(traits(graph), 1)})

    for number in range(SEARCHES):
        # Within one search an example looks like those before it.
        seed(number)(draw)()
    shares = {trait: counts[trait] / counts["all"] for trait in SHARES}
    assert all(shares[trait] >= least for trait, least in SHARES.items()), shares
    rare = {trait: counts[trait] for trait in PRESENT if counts[trait] < counts["all"] / 100}
    assert not rare, rare


def traits(graph: Graph) -> set[str]:
    """What a graph has, in the words of `SHARES` and `PRESENT`."""
    found = {"shared" if shared(graph) else "linear"}
    plan = daglite.compile(build(graph, {"own": None, "run": None}))
    found |= {firing.rule for firing in plan.program.trace}
    streams = [stage for stage in plan.program.stages if isinstance(stage, StreamStage)]
    found |= {"several segments"} if any(len(stage.segments) > 1 for stage in streams) else set()
    sites = [{segment.site for segment in stage.segments if segment.links} for stage in streams]
    found |= {"several places in a stream"} if any(len(each) > 1 for each in sites) else set()
    found |= {"streams pulled by others"} if any(stage.sink == "pulled" for stage in streams) else set()
    outcome = evaluate(graph)
    found |= {"failures"} if outcome.errors else set()
    found |= {"takes behind filters"} if outcome.over else set()
    for position in needed(graph):
        node = graph.nodes[position]
        if isinstance(node, Keep):
            items = describe.streams(graph, position)
            found |= {"saves", "stream saves" if items else "saves without an index"}
            found |= {"saves of the run's store"} if node.store == "run" else set()
            continue
        if isinstance(node, Take):
            found.add("takes")
            continue
        if isinstance(node, Operate):
            found.add(node.kind)
            within = graph.nodes[node.source]
            found |= {"partitions" if isinstance(within, describe.Parts) else "flat maps"} if node.flat else set()
        if isinstance(node, Tell):
            found |= {"folds by name", node.kind}
        if isinstance(node, Tell) or node.fn is None:
            continue
        bound = describe.arguments(node)
        found |= {"futures as arguments"} if any(isinstance(arg, Use) for _, arg in bound) else set()
        found |= {"partials"} if node.fn.layers else set()
        found |= {"from_iterable"} if node.fn.name == "given" else set()
        found |= {"partial of partial"} if len(node.fn.layers) > 1 else set()
        found |= {"retries"} if node.fn.stumbles else set()
        found |= {f"on {node.fn.on}"} if node.fn.on else set()
        found |= {"async"} if node.fn.style == "async" else set()
        found |= {"by reference"} if node.fn.style == "module" and not node.fn.stumbles else set()
        found |= {"unordered folds"} if isinstance(node, Fold) and not node.ordered else set()
        found |= {"filters"} if isinstance(node, Sift) else set()
        found.add(f"fate {node.fn.fate}")
        found |= {"folds in parts"} if isinstance(node, Fold) and node.combines else set()
        if isinstance(node, Over):
            found |= {"products" if node.mode == "product" else "zips"} if len(node.sources) > 1 else set()
            found |= {"map over futures"} if any(isinstance(arg, Use) for _, arg in node.sources) else set()
        sources = [arg for name, arg in bound if name in ("items", "n")] if isinstance(node, Iterate) else []
        sources += [arg for _, arg in node.sources] if isinstance(node, Over) else []
        found |= {"empty"} if Const(()) in sources or Const(0) in sources else set()
    return found
