"""lower: flat numbered steps, in data order, with sharing and a title."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from daglite import Future, compile, from_iterable, task
from daglite.compile.lower import lower
from daglite.futures import Items
from daglite.ir.nodes import Value
from daglite.options import Limits
from daglite.program import (
    CallStage,
    Constant,
    MappedSource,
    MaterialiseStage,
    Program,
    Stage,
    StageResult,
    Step,
    StreamStage,
    operands,
    steps_of,
)
from tests.samples import double, fold, minus, odd, one, pair, rows, scale, several, shown, total


def program(pipeline: Future[object], *, optimize: bool = True) -> Program:
    return compile(pipeline, optimize=optimize).program


def names(stage: Stage) -> list[str]:
    return [step.function.name for step in steps_of(stage)]


def test_steps_are_numbered_from_zero_in_data_order() -> None:
    stream = rows.iter(n=one(n=3)).then(double)
    stages = program(pair(stream.join(total), stream)).stages
    steps = [step for stage in stages for step in steps_of(stage)]

    assert [step.number for step in steps] == list(range(len(steps)))
    assert [step.function.name for step in steps] == ["one", "rows", "double", "total", "pair"]


def test_operands_point_only_backwards() -> None:
    first = one(n=3)
    stages = program(pair(rows.iter(n=first, start=first).then(double), minus(a=first, b=1)), optimize=False).stages
    found = [(at, o.stage) for at, stage in enumerate(stages) for o in operands(stage) if isinstance(o, StageResult)]

    assert found
    assert all(below < at for at, below in found)


def test_fold_with_combine_runs_where_its_items_are() -> None:
    """On workers as the end of a stream; a list lies in the coordinator, and is folded there."""
    made: Any = rows.iter(n=3)
    pipeline = made.reduce(fold, initial=one(n=1), combine=scale, empty=one(n=0))
    places = {}
    for optimize in (True, False):
        stage = program(pipeline, optimize=optimize).stages[-1]
        assert isinstance(stage, StreamStage)
        assert stage.combine is not None
        assert stage.sink_step is not None
        assert (stage.combine.step.number, stage.combine.step.function.name) == (stage.sink_step.number, "scale")
        assert stage.combine.empty in operands(stage)
        places[optimize] = stage.combine.place
        assert stage.folds_on_workers is optimize
    assert places == {True: "workers", False: "coordinator"}


def test_shared_value_is_one_stage() -> None:
    first = one(n=3)
    stages = program(minus(a=first, b=first)).stages

    assert [names(stage) for stage in stages] == [["one"], ["minus"]]
    (last,) = steps_of(stages[1])
    assert last.arguments == (("a", StageResult(0)), ("b", StageResult(0)))


def test_equal_calls_are_two_stages() -> None:
    assert [names(stage) for stage in program(minus(a=one(n=3), b=one(n=3))).stages] == [["one"], ["one"], ["minus"]]


def test_arguments_are_held_by_reference() -> None:
    value = [1, 2]
    (step,) = steps_of(program(total(items=value)).stages[0])
    (_, operand) = step.arguments[0]

    assert isinstance(operand, Constant)
    assert operand.value is value


def test_stages_of_an_optimised_stream() -> None:
    (stage,) = program(rows.iter(n=2).then(double).reduce(fold, initial=7, ordered=False)).stages

    assert isinstance(stage, StreamStage)
    assert isinstance(stage.source, Step)
    assert (stage.source.node, stage.links[0].node, stage.sink) == ("CompositeMapTaskNode", "", "reduce")
    assert stage.sink_step is not None
    assert stage.sink_step.items == ("acc", "item")
    assert isinstance(stage.initial, Constant)
    assert (stage.initial.value, stage.ordered) == (7, False)


def test_stages_of_a_plain_stream() -> None:
    source, mapped, folded = program(rows.iter(n=2).then(double).reduce(fold, initial=7), optimize=False).stages

    assert isinstance(source, MaterialiseStage)
    assert source.streamed
    assert isinstance(mapped, StreamStage)
    assert isinstance(mapped.source, MappedSource)
    assert (mapped.source.sources, mapped.sink) == ((("x", StageResult(0)),), "collect")
    assert isinstance(folded, StreamStage)
    assert isinstance(folded.source, MappedSource)
    assert (folded.source.sources, folded.links, folded.sink) == ((("items", StageResult(1)),), (), "reduce")


def test_direct_call_of_a_generator_is_materialised() -> None:
    (stage,) = program(rows(n=2)).stages

    assert isinstance(stage, MaterialiseStage)
    assert not stage.streamed


def test_join_that_could_not_be_absorbed_runs_in_the_coordinator() -> None:
    stream = rows.iter(n=2)
    places = {
        names(stage)[0]: stage.place
        for stage in program(pair(stream.join(total), stream.join(shown))).stages
        if isinstance(stage, CallStage)
    }

    assert places == {"total": "coordinator", "shown": "coordinator", "pair": "workers"}


def test_chain_of_calls_is_one_stage_with_its_items() -> None:
    (stage,) = program(one(n=2).then(scale, by=3).then(minus, b=1)).stages

    assert isinstance(stage, CallStage)
    assert [(step.node, step.items) for step in stage.steps] == [
        ("CompositeTaskNode", ()),
        ("", ("x",)),
        ("", ("a",)),
    ]


def test_saves_sit_on_their_steps() -> None:
    stream = rows.iter(n=2).save("a{iteration_index}").then(double).save("b{iteration_index}").join(total).save("c")
    chain = one(n=1).then(double).save("d")
    found = [
        [(step.function.name, save.key.text) for step in steps_of(program(pipeline).stages[0]) for save in step.saves]
        for pipeline in (stream, chain)
    ]

    assert found[0] == [("rows", "a{iteration_index}"), ("double", "b{iteration_index}"), ("total", "c")]
    assert found[1] == [("double", "d")]


@task
def unknown(x):  # type: ignore[no-untyped-def]
    return x


@task
def nothing(x: int) -> None:
    return None


@task
async def later(x: int) -> dict[str, int]:
    return {"x": x}


@task
async def ticks(n: int) -> AsyncIterator[tuple[int, str]]:
    for number in range(n):
        yield number, "tick"


@pytest.mark.parametrize("optimize", [True, False])
@pytest.mark.parametrize(
    ("pipeline", "title"),
    [
        (one(n=1), "TaskFuture[int]"),
        (one(n=1).then(shown), "TaskFuture[str]"),
        (rows(n=1), "TaskFuture[list[int]]"),
        (rows.iter(n=1), "IterFuture[int]"),
        (ticks.iter(n=1), "IterFuture[tuple[int, str]]"),
        (rows.iter(n=1).then(double), "MapTaskFuture[int]"),
        (rows.iter(n=1).then(several), "MapTaskFuture[list[int]]"),
        (several.map(x=[1]), "MapTaskFuture[list[int]]"),
        (rows.iter(n=1).then(later), "MapTaskFuture[dict[str, int]]"),
        (double.map(x=[1]).then(unknown), "MapTaskFuture[?]"),
        (nothing(x=1), "TaskFuture[None]"),
        (ticks.iter(n=1).filter(odd), "MapTaskFuture[tuple[int, str]]"),
        (rows.iter(n=1).then(later).filter(odd).filter(odd).save("{iteration_index}"), "MapTaskFuture[dict[str, int]]"),
        (rows.iter(n=1).join(shown), "TaskFuture[str]"),
        (rows.iter(n=1).then(double).reduce(fold, initial=0), "ReduceFuture[int]"),
        (rows.iter(n=1).reduce(fold, initial=0).save("s"), "ReduceFuture[int]"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_title_names_future_and_type(pipeline: Future[object], title: str, optimize: bool) -> None:
    assert program(pipeline, optimize=optimize).title == title


@pytest.mark.parametrize("optimize", [True, False])
def test_filters_pass_on_the_type_before_them(optimize: bool) -> None:
    stream = ticks.iter(n=1)
    stages = program(pair(stream.filter(odd).filter(odd).then(unknown), stream.filter(odd)), optimize=optimize).stages
    found = [step.output_type for stage in stages for step in steps_of(stage) if step.filters]

    assert found == ["tuple[int, str]"] * 3


@pytest.mark.parametrize("optimize", [True, False])
def test_take_is_a_limit_where_the_items_come_from(optimize: bool) -> None:
    stages = program(rows.iter(n=9).take(5).then(double).take(3).then(double), optimize=optimize).stages
    found = [step.limit for stage in stages for step in steps_of(stage)]

    assert found == [3, None, None]
    assert [stage.max_results for stage in stages if isinstance(stage, StreamStage)] == [None] * (
        len(stages) - (not optimize)
    )


@pytest.mark.parametrize("optimize", [True, False])
def test_take_behind_a_filter_ends_its_stage(optimize: bool) -> None:
    stages = program(rows.iter(n=9).filter(odd).then(double).take(3), optimize=optimize).stages
    streams = [stage for stage in stages if isinstance(stage, StreamStage)]

    assert [stage.max_results for stage in streams] == [3, None]
    assert [names(stage)[-1] for stage in streams] == ["odd", "double"]


def test_head_of_a_shared_stream_is_read_off_its_list() -> None:
    stream = rows.iter(n=9)
    stages = program(pair(stream.take(4).take(2), stream)).stages

    assert [operand for _, operand in stages[-1].steps[0].arguments] == [StageResult(0, 2), StageResult(0)]  # type: ignore[union-attr]


def test_only_item_futures_stream() -> None:
    assert program(rows.iter(n=1)).streams
    assert program(double.map(x=[1])).streams
    assert not program(rows(n=1)).streams
    assert not program(rows.iter(n=1).join(total)).streams


def test_limits_are_those_asked_for() -> None:
    found = compile(
        rows.iter(n=1), max_in_flight=8, max_batch_size=3, max_in_flight_bytes=1000, helper_thread=False
    ).program
    limits = Limits(max_in_flight=8, max_batch_size=3, max_in_flight_bytes=1000, helper_thread=False)

    assert found.limits == limits
    (stage,) = found.stages
    assert isinstance(stage, StreamStage)
    assert stage.limits == limits


def test_lists_kept_in_the_coordinator_are_remarked() -> None:
    stream = rows.iter(n=1)

    assert program(total(items=stream)).remarks == ("iter rows -> collect: needed as a list, materialised",)
    assert program(pair(stream, stream)).remarks == ("iter rows -> collect: shared by 2, materialised",)
    assert program(stream).remarks == ()
    assert program(pair(stream, stream), optimize=False).remarks == ()


def test_save_that_was_not_attached_cannot_be_lowered() -> None:
    with pytest.raises(TypeError, match=r"^a save was not attached to what it saves$"):
        lower(one(n=1).save("a").node, "TaskFuture", Limits(), (), optimised=True)


def test_plain_values_are_constants() -> None:
    assert not isinstance(one(n=1).node, Value)
    (step,) = steps_of(program(one(n=1)).stages[0])
    assert [(name, type(operand).__name__) for name, operand in step.arguments] == [("n", "Constant")]


def test_operations_and_links_become_segments() -> None:
    stream = rows.iter(n=9).skip(1).batch(2).then(total).then(double).enumerate().then(shown).distinct()
    (stage,) = compile(stream).program.stages
    assert isinstance(stage, StreamStage)

    assert [
        ([operation.kind for operation in segment.operations], [link.function.name for link in segment.links])
        for segment in stage.segments
    ] == [(["skip", "batch"], ["total", "double"]), (["enumerate"], ["shown"]), (["distinct"], [])]
    assert [step.number for step in steps_of(stage)] == list(range(8))
    assert [operation.output_type for operation in stage.operations] == ["int", "list[int]", "tuple[int, int]", "str"]
    assert stage.last is stage.segments[-1]


def test_end_of_an_operation_is_one_more() -> None:
    (stage,) = compile(rows.iter(n=9).distinct().take(2)).program.stages
    assert isinstance(stage, StreamStage)

    assert [(one.kind, one.numbers) for one in stage.operations] == [
        ("distinct", (("limit", 1_000_000),)),
        ("take", (("n", 2),)),
    ]


def test_plain_plan_has_a_stage_for_each_operation() -> None:
    stages = compile(rows.iter(n=9).distinct().take(2).batch(2), optimize=False).program.stages
    kinds = [[one.kind for one in stage.operations] for stage in stages if isinstance(stage, StreamStage)]

    assert kinds == [["distinct", "take"], ["batch"]]


@pytest.mark.parametrize(
    ("stream", "place"), [(rows.iter(n=2), "coordinator"), (rows.iter(n=2).then(double), "workers")]
)
def test_items_do_not_travel_to_be_counted(stream: Items[int], place: str) -> None:
    for sink in (stream.count(), stream.sum(), stream.max()):
        (stage,) = compile(sink).program.stages
        assert isinstance(stage, StreamStage)
        assert stage.combine is not None
        assert stage.combine.place == place
        assert stage.sink_step is not None
        assert stage.sink_step.function.returns == "int"


def test_values_that_are_there_are_listed_in_the_coordinator() -> None:
    stage, _ = compile(from_iterable([1]).then(double), optimize=False).program.stages

    assert isinstance(stage, MaterialiseStage)
    assert stage.place == "coordinator"


def test_neighbours_in_one_place_are_one_segment() -> None:
    def sites(pipeline: Any) -> list[str]:
        (stage,) = compile(pipeline).program.stages
        assert isinstance(stage, StreamStage)
        return [f"{segment.site}: {len(segment.links)}" for segment in stage.segments]

    threads, processes = double.with_options(on="threads", workers=4), double.with_options(on="processes")
    here, more = double.with_options(on="coordinator"), double.with_options(on="threads", workers=5)
    stream: Any = rows.iter(n=3).then(threads).filter(odd.with_options(on="threads", workers=4)).then(processes)
    assert sites(stream.then(processes)) == ["threads 4: 2", "processes: 2"]
    assert sites(stream.then(here).then(double)) == ["threads 4: 2", "processes: 1", "coordinator: 1", "None: 1"]
    assert sites(rows.iter(n=3).then(threads).then(more)) == ["threads 4: 1", "threads 5: 1"]
    assert sites(rows.iter(n=3).then(threads).batch(2).then(threads)) == ["threads 4: 1", "threads 4: 1"]


def test_plan_says_why_tasks_in_different_places_stand_apart() -> None:
    plan = compile(rows.iter(n=3).then(double.with_options(on="threads")).then(scale).batch(2).then(total))
    assert plan.program.remarks == ("double and scale: they run in different places",)


def test_plans_are_equal_when_only_the_number_of_workers_differs() -> None:
    def plan(**options: Any) -> Any:
        return compile(rows.iter(n=3).then(double.with_options(**options)))

    assert plan(on="threads", workers=3) == plan(on="threads", workers=9)
    assert plan(on="threads", workers=3).fingerprint == plan(on="threads").fingerprint
    assert plan(on="threads") != plan(on="processes")
    assert plan(on="threads") != plan()
