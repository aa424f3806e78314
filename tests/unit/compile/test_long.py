"""Pipelines thousands of steps deep: everything walks with its own stack."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable

import pytest

from daglite import Future, MapTaskFuture, Plan, TaskFuture, compile
from daglite.ir.walk import same
from tests.samples import double, minus, one, rows

Build = Callable[..., Future[object]]

DEPTH = 5000
# Deeper than any recursion could go, and quick enough to do it often.
DEEP = 1500


def maps(depth: int = DEEP, then: int = 0) -> MapTaskFuture[int]:
    stream = rows.iter(n=2, start=5).then(minus, b=0)
    for _ in range(depth - 1):
        stream = stream.then(minus, b=then)
    return stream


def calls(depth: int = DEEP, then: int = 0) -> TaskFuture[int]:
    value = one(n=5)
    for _ in range(depth):
        value = value.then(minus, b=then)
    return value


@pytest.mark.parametrize("optimize", [True, False])
@pytest.mark.parametrize(("pipeline", "wanted"), [(maps(DEPTH), [5, 6]), (calls(DEPTH), 5)], ids=["maps", "calls"])
def test_deep_pipeline_builds_compiles_explains_prints_and_runs(
    pipeline: Future[object], wanted: object, optimize: bool
) -> None:
    assert sys.getrecursionlimit() < DEEP
    plan: Plan[object] = compile(pipeline, optimize=optimize)

    assert plan.explain("verbose").count("minus(") == DEPTH
    assert "(x 4,99" in plan.explain()
    assert len(repr(pipeline)) < 100
    assert len(repr(plan)) < 100
    assert plan.run(runtime="inline") == wanted


@pytest.mark.parametrize("build", [maps, calls])
def test_repr_of_a_deep_node_is_short(build: Build) -> None:
    assert len(repr(build().node)) < 100


@pytest.mark.parametrize("build", [maps, calls])
def test_deep_pipelines_compare(build: Build) -> None:
    left, right, other = build(), build(), build(then=1)

    assert same(left.node, right.node)
    assert not same(left.node, other.node)
    assert compile(left) == compile(right)
    assert compile(left) != compile(other)


@pytest.mark.parametrize("build", [maps, calls])
def test_deep_plan_survives_pickling(build: Build) -> None:
    plan = compile(build())
    copy = pickle.loads(pickle.dumps(plan))

    assert copy == plan
    assert copy.fingerprint == plan.fingerprint


def test_deeply_shared_graph_is_walked_once() -> None:
    """Each value is read twice: walked without memory this would take 2**200 steps."""
    value = one(n=1)
    for _ in range(200):
        value = minus(a=value, b=value)
    plan = compile(value)

    assert len(plan.program.stages) == 201
    assert plan.run(runtime="inline") == 0


def test_deep_chain_of_saves_compiles() -> None:
    value = double(x=2)
    for number in range(300):
        value = value.save(f"k{number}")

    assert compile(value).explain().count("save k") == 300
