"""The program: what a stage holds and what it waits for."""

from __future__ import annotations

import pytest

from daglite import compile
from daglite.program import CallStage, Constant, MaterialiseStage, Stage, StageResult, StreamStage, operands, steps_of
from tests.samples import double, fold, minus, one, pair, rows, scale, shown, total


def names(stage: Stage) -> list[str]:
    return [step.function.name for step in steps_of(stage)]


def waited(stage: Stage) -> list[int]:
    return [operand.stage for operand in operands(stage) if isinstance(operand, StageResult)]


def test_steps_of_a_stream_run_from_source_to_end() -> None:
    (stage,) = compile(rows.iter(n=2).then(double).then(scale).reduce(fold, initial=0)).program.stages

    assert isinstance(stage, StreamStage)
    assert names(stage) == ["rows", "double", "scale", "fold"]


def test_mapped_values_are_no_step() -> None:
    (stage,) = compile(double.map(x=[1, 2]).join(total)).program.stages

    assert names(stage) == ["double", "total"]


def test_steps_of_calls_and_generators() -> None:
    chain, listed = (compile(p).program.stages[0] for p in (one(n=1).then(double), rows(n=2)))

    assert isinstance(chain, CallStage)
    assert names(chain) == ["one", "double"]
    assert isinstance(listed, MaterialiseStage)
    assert names(listed) == ["rows"]


def test_stage_waits_for_all_it_reads() -> None:
    """Arguments of every step, mapped values and the initial value."""
    numbers = [one(n=n) for n in range(4)]
    stream = scale.partial(by=numbers[0]).map(x=rows(n=numbers[1])).then(minus, b=numbers[2])
    *_, last = compile(stream.reduce(fold, initial=numbers[3])).program.stages

    assert isinstance(last, StreamStage)
    assert len(waited(last)) == len(set(waited(last))) == 4
    assert [type(o) for o in operands(compile(one(n=1)).program.stages[0])] == [Constant]


def test_value_read_twice_is_waited_for_twice() -> None:
    """The runtime counts readings, to know when a value may go."""
    first = one(n=1)
    *_, last = compile(pair(first, first)).program.stages

    assert waited(last) == [0, 0]


def test_joins_wait_for_their_stream() -> None:
    stream = rows.iter(n=2)
    stages = compile(pair(stream.join(total), stream.join(shown)), optimize=False).program.stages

    assert [waited(stage) for stage in stages] == [[], [0], [0], [1, 2]]


def test_results_compare_and_constants_do_not() -> None:
    """A constant is held by reference and may hold anything; `sameness` says when two are equal."""
    value = object()

    assert StageResult(1) == StageResult(1)
    assert Constant(value) != Constant(value)
    with pytest.raises(AttributeError, match="cannot assign to field 'stage'"):
        StageResult(1).stage = 2  # type: ignore[misc]
