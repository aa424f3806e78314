"""Law 11: compile is a function, plans are values."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dill
import pytest
from hypothesis import given, settings, strategies as st

import daglite
from daglite import DatasetStore, task
from daglite.compile.driver import prepared
from daglite.compile.rewrite import rewrite
from daglite.compile.rules import RULES
from daglite.ir.walk import same
from tests.properties.build import build
from tests.properties.describe import Graph
from tests.properties.draw import graphs
from tests.properties.trial import EXAMPLES, Seen, agree, attempt, end

MANY = settings(max_examples=EXAMPLES)
STORES = {"own": DatasetStore("own"), "run": None}


@MANY
@given(graphs(), st.booleans())
def test_law_11_compile_is_deterministic(graph: Graph, optimize: bool) -> None:
    """The same description built and compiled twice gives equal plans, texts, hashes and fingerprints."""
    one, other = (daglite.compile(build(graph, STORES), optimize=optimize) for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)
    assert one.explain() == other.explain()
    assert one.fingerprint == other.fingerprint is not None


@MANY
@given(graphs())
def test_law_11_compile_is_idempotent(graph: Graph) -> None:
    """No rule fires on a graph that has been rewritten, and attaching saves a second time changes nothing."""
    attached = prepared(build(graph, STORES).node)
    once, _ = rewrite(attached, RULES)
    twice, firings = rewrite(prepared(once), RULES)
    assert prepared(attached) is attached
    assert twice is once
    assert same(once, twice)
    assert firings == ()


@MANY
@given(graphs(), st.booleans(), st.sampled_from([pickle, dill]))
def test_law_11_plans_survive_pickling(graph: Graph, optimize: bool, pickler: Any) -> None:
    """A plan equals its pickled copy, which prints, hashes and ends like it."""
    plan = daglite.compile(build(graph, {"own": None, "run": None}), optimize=optimize)
    copied = pickler.loads(pickler.dumps(plan))
    assert copied == plan
    assert plan == copied
    assert hash(copied) == hash(plan)
    assert copied.fingerprint == plan.fingerprint is not None
    assert copied.explain() == plan.explain()
    first, second = Seen(), Seen()
    assert end_and_saves(plan, first) == end_and_saves(copied, second)


def end_and_saves(plan: daglite.Plan[Any], seen: Seen) -> tuple[object, ...]:
    attempt(plan, seen)
    return repr(seen.value), type(seen.error), str(seen.error), seen.stores["run"].log


@MANY
@given(graphs(), st.booleans())
def test_law_11_run_leaves_the_plan_unchanged(graph: Graph, optimize: bool) -> None:
    """A plan is the same after a run as before, and a second run does the same."""
    seen, again = Seen(), Seen()
    own = again.stores["own"] = seen.stores["own"]
    plan, other = (daglite.compile(build(graph, {"own": own, "run": None}), optimize=optimize) for _ in range(2))
    before = plan.fingerprint, plan.explain(), hash(plan)
    agree(graph, attempt(plan, seen))
    told = list(own.log)
    own.log.clear()
    agree(graph, attempt(plan, again))
    assert own.log == told
    assert again.stores["run"].log == seen.stores["run"].log
    assert (plan.fingerprint, plan.explain(), hash(plan)) == before
    assert plan == other


@pytest.mark.parametrize("optimize", [True, False])
def test_law_11_a_fold_that_changes_its_accumulator_starts_afresh(optimize: bool) -> None:
    """`initial` is copied at each run, so the list it grows is a new one each time."""
    plan = daglite.compile(count.iter(n=3).reduce(collect, initial=[]), optimize=optimize)
    assert [end(plan) for _ in range(2)] == [("[0, 1, 2]",)] * 2


def test_law_11_a_plan_with_its_own_store_survives_pickling(tmp_path: Path) -> None:
    """The store of a save travels with the plan: the copy writes where the plan does."""
    store = DatasetStore(tmp_path)
    plan = daglite.compile(count.iter(n=2).save("{n}_{iteration_index}", save_store=store).reduce(collect, initial=[]))
    copied = pickle.loads(pickle.dumps(plan))
    assert copied == plan
    assert end(copied) == ("[0, 1]",)
    assert store.list_keys() == ["2_0", "2_1"]


@task
def count(n: int) -> Iterator[int]:
    yield from range(n)


@task
def collect(acc: list[int], item: int) -> list[int]:
    acc.append(item)
    return acc
