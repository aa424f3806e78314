"""The loops as text: those that run, with names of tasks. tests/unit/test_codegen.py compares them with a run."""

from __future__ import annotations

import ast

import pytest

from daglite import compile, task
from daglite.codegen import inline_shape, worker_shape, write_loop
from daglite.program import StreamStage
from tests.paths import GOLDEN
from tests.samples import check_golden, double, one, rows, total, weighted
from tests.unit.compile.test_long import maps
from tests.unit.explain.pipelines import PIPELINES


@pytest.mark.parametrize(
    "name", ["design_example", "saved", "shared", "filters", "takes", "operations", "named_folds", "failures"]
)
def test_text_is_as_reviewed(name: str) -> None:
    check_golden(GOLDEN / f"{name}_source.txt", compile(PIPELINES[name]).explain("source"))


@pytest.mark.parametrize("name", PIPELINES)
@pytest.mark.parametrize("optimize", [True, False])
def test_every_stream_shows_its_loops_and_they_are_python(name: str, optimize: bool) -> None:
    plan = compile(PIPELINES[name], optimize=optimize)
    text = plan.explain("source")
    streams = [stage for stage in plan.program.stages if isinstance(stage, StreamStage)]

    ast.parse(text)
    for stage in streams:
        assert write_loop(inline_shape(stage, stage.last)).source in text
        assert not stage.links or write_loop(worker_shape(stage, stage.last)).source in text
    assert bool(streams) == ("def loop(" in text)


def test_every_task_is_named_beside_its_call() -> None:
    lines = compile(rows.iter(n=1).then(double).then(double).reduce(weighted, initial=0)).explain("source").splitlines()

    assert "#   items      what rows yields (step 0)" in lines
    assert lines.count("#   call_1     double (step 2)") == 2
    assert "#   end        weighted (step 3), whose value so far is value" in lines


def test_stream_without_tasks_stays_in_the_coordinator() -> None:
    text = compile(rows.iter(n=1).save("{iteration_index}").join(total)).explain("source")

    assert text.count("def loop(") == 2
    assert "in a worker" not in text
    assert text.count("item = snap(index, item)") == 1
    assert text.count("save_item(index, item)") == 2


def test_values_of_an_earlier_step_are_not_captured() -> None:
    text = compile(rows.iter(n=1).reduce(weighted, initial=0), optimize=False).explain("source")

    assert text.count("def loop(") == 1
    assert "snap(" not in text


def test_plan_without_a_stream_says_so() -> None:
    assert compile(one(n=1)).explain("source") == "# no stream in this plan: single calls need no loop"


def test_loop_of_5000_steps_is_shown_whole() -> None:
    assert compile(maps(5000)).explain("source").count("= call_") == 2 * 5000


def test_tasks_in_the_coordinator_have_no_loop_in_a_worker() -> None:
    text = compile(rows.iter(n=1).then(double.with_options(on="coordinator")).reduce(weighted, initial=0)).explain(
        "source"
    )

    assert "in a worker" not in text
    assert text.count("def loop(") == 2
    assert text.count("item = snap(index, item)") == 1


def test_places_side_by_side_are_one_loop_in_one_process() -> None:
    here = double.with_options(on="coordinator")
    text = compile(rows.iter(n=1).then(double).then(here).then(double).reduce(weighted, initial=0)).explain("source")
    heads = [line for line in text.splitlines() if line.startswith("# step")]

    assert heads == [
        '# steps 0 to 4: with runtime="inline", in the coordinator, from source to sink',
        "# steps 0 to 1: in a worker, over the items of one batch",
        "# step 2: otherwise in the coordinator, called with one item after the other, without a loop of their own",
        "# steps 3 to 4: in a worker, over the items of one batch",
    ]


def test_coroutines_are_no_loop_in_a_worker() -> None:
    async def fetch(x: int) -> int:
        return x

    text = compile(rows.iter(n=1).then(task(fetch, on="threads")).reduce(weighted, initial=0)).explain("source")

    assert "in a worker" not in text
    assert "# step 1: otherwise coroutines of one event loop on a thread, each with one item after the other" in text
