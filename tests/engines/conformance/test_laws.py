"""Random pipelines do what the oracle says, on every runtime."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import daglite
from daglite import task
from daglite.options import Runtime
from daglite.runtime.dataflow import tree_reduce as tree_reducer
from tests.properties.describe import Graph
from tests.properties.draw import graphs
from tests.properties.test_runs import COMPILING, IN_PARTS, in_order
from tests.properties.trial import EXAMPLES, agree, trial

# The runtimes are kept from one example to the next, as users keep them.
SOME = settings(
    max_examples=max(20, EXAMPLES // 2),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@SOME
@given(graph=graphs(), compiling=COMPILING)
def test_law_8_every_runtime_does_what_the_oracle_says(
    engine: Runtime, graph: Graph, compiling: dict[str, object]
) -> None:
    """With any window and batch size: the same value or error, and the same saves."""
    agree(graph, trial(graph, compiling=compiling, runtime=engine), in_order=in_order(graph))


@SOME
@given(
    n=st.integers(0, 60),
    name=st.sampled_from(["strand", "lists", "tally"]),
    unordered=st.booleans(),
    stays=st.booleans(),
    compiling=COMPILING,
)
def test_law_15_a_fold_in_parts_is_the_fold(
    engine: Runtime, n: int, name: str, unordered: bool, stays: bool, compiling: dict[str, object]
) -> None:
    """With `combine` workers fold their own batches; `initial` is in the result once, also where parts stay there."""
    fold, combine, initial, commutes = IN_PARTS[name]

    @task
    def source() -> Iterator[int]:
        yield from range(n)

    stream = source.iter().reduce(task(fold), initial=initial, combine=combine, ordered=not (unordered and commutes))
    plan = daglite.compile(stream, **compiling)  # type: ignore[arg-type]  # names and values that `compile` knows
    with pytest.MonkeyPatch.context() as patch:
        if stays:
            patch.setattr(tree_reducer, "MIN_KEPT_BYTES", 0)
            patch.setattr(tree_reducer, "RETURNED_BYTES", 0)
        found = plan.run(runtime=engine)
    assert found == functools.reduce(fold, range(n), type(initial)(initial))
