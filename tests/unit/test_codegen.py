"""The loop of a stream as text: what each line does, and that it is the text that runs."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, get_args

import pytest

from daglite import IterFuture, compile, task
from daglite.codegen import LoopShape, inline_shape, worker_shape, write_loop
from daglite.options import RuntimeName
from daglite.program import StreamStage
from tests.engines.local.choosing import at
from tests.samples import Memory, double, odd, rows, weighted


@task
def look(x: Any) -> bytes:
    """The code of the loop that called it."""
    return loop_code()


@task
def listed(items: Any) -> list[Any]:
    return list(items)


@task
def keep(found: Any, code: Any) -> bytes:
    return code if isinstance(code, bytes) else b""


def streams() -> Iterator[tuple[str, Any]]:
    plain: IterFuture[int] = rows.iter(n=2)
    saved = rows.iter(n=2).save("i{iteration_index}")
    yield "one step", plain.then(look)
    yield "tapped", plain.then(double).save("d{iteration_index}").then(look)
    yield "last saved", plain.then(double).then(look).save("l{iteration_index}")
    yield "source saved", saved.then(look)
    yield "filtered", plain.filter(odd).then(double).save("d{iteration_index}").filter(odd, by=4).then(look)
    yield "filtered fold", plain.filter(odd).then(look).reduce(keep, initial=b"")
    yield "taken", plain.take(1).then(look)
    yield "mapped", look.map(x=[1, 2])
    yield "fold", plain.then(look).reduce(keep, initial=b"")
    yield "fold on workers", plain.then(look).reduce(keep, initial=b"", combine=keep)
    yield "tapped fold on workers", plain.then(look).save("t{iteration_index}").reduce(keep, initial=b"", combine=keep)
    yield "join", saved.then(look).save("j{iteration_index}").join(listed)


@pytest.mark.parametrize(("name", "pipeline"), [*streams()])
@pytest.mark.parametrize("runtime", get_args(RuntimeName))
def test_text_of_a_stage_is_what_runs(name: str, pipeline: Any, runtime: RuntimeName) -> None:
    plan: Any = compile(pipeline)
    stage = plan.program.stages[-1]
    assert isinstance(stage, StreamStage)
    shape = (inline_shape if runtime in ("inline", "auto") else worker_shape)(stage, stage.last)
    # Items and results are copied where a stream may move to workers.
    shape = shape._replace(copies=runtime == "auto")
    made: dict[str, Any] = {}
    exec(write_loop(shape).source, made)

    found = plan.run(runtime=at(None) if runtime == "auto" else runtime, store=Memory())

    assert made["loop"].__code__.co_code in (found if isinstance(found, list) else [found])


@task
def last_loop(found: Any, item: Any) -> bytes:
    """The code of the loop that folds."""
    return loop_code()


def loop_code() -> bytes:
    """The code of the loop that is at work; a task that is timed is not called by it directly."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_name != "loop":
        frame = frame.f_back
    assert frame is not None
    return frame.f_code.co_code


@pytest.mark.parametrize("runtime", get_args(RuntimeName))
def test_stream_without_tasks_captures_items_where_they_would_cross_processes(runtime: RuntimeName) -> None:
    """And so `explain` says: two loops, one for runtimes that share items."""
    plan = compile(rows.iter(n=2).reduce(last_loop, initial=b""))
    shared, captured = plan.explain("source").split("\n\n")
    made: dict[str, Any] = {}
    exec(captured if runtime in ("processes", "auto") else shared, made)

    assert made["loop"].__code__.co_code == plan.run(runtime=runtime)


SHAPES = [
    LoopShape((), "each"),
    LoopShape((False, True, False), "fold", saves_items=True, snaps=True),
    LoopShape((True, True), "cells"),
    LoopShape((False,), "each", saves_items=True),
    LoopShape((False, True), "numbered", filters=frozenset({0})),
    LoopShape((True, False, True), "cells", filters=frozenset({0, 2})),
    LoopShape((False,), "fold", filters=frozenset({0}), ends=True),
    LoopShape((False, True), "fold", saves_items=True, copies=True),
    LoopShape((False, False), "fold", copies=True),
]


@pytest.mark.parametrize("shape", SHAPES)
def test_places_belong_to_their_lines(shape: LoopShape) -> None:
    written = write_loop(shape)
    lines = written.source.splitlines()[written.first_line - 1 :]
    starts = {
        "source": ("for index, item in enumerate(", "for item in compress("),
        "item": ("save_item(", "item = snap(", "if kind(item)"),
        "result": ("if kind(x)", "if kind(item)"),
        "call": ("x = call_{step}(", "if not call_{step}("),
        "save": ("save_{step}(",),
        "end": ("value = end(", "end(", "append(", "mark(", "continue", "if full(", "break"),
    }

    for line, place in zip(lines, written.places, strict=False):
        assert line.strip().startswith(tuple(one.format(step=place.step) for one in starts[place.kind])), place
    assert lines[len(written.places)].strip() == "except BaseException as error:"


def test_every_step_and_save_has_its_line() -> None:
    source = write_loop(LoopShape((False, True, True), "fold")).source

    assert source.count("= call_") == 3
    assert source.count("(index, x)") == 2
    assert source.count("end(value, x)") == 1


def test_dropped_item_leaves_a_mark_with_the_values_it_had() -> None:
    """Two of its steps are saved; the last result is the third value."""
    source = write_loop(LoopShape((True, False, True, False), "cells", filters=frozenset({1, 3}))).source
    marks = [line.strip() for line in source.splitlines() if "mark(" in line]

    assert marks == ["mark(1)", "mark(2)", "mark(3)"]


@pytest.mark.parametrize("end", ["fold", "each", "numbered", "cells"])
def test_nothing_is_marked_where_nothing_is_dropped(end: Any) -> None:
    """Streams without a filter pay nothing for those with one."""
    assert "mark" not in write_loop(LoopShape((True, False), end)).source


def test_a_fold_without_steps_takes_the_item() -> None:
    stage = compile(rows.iter(n=1).reduce(weighted, initial=0)).program.stages[0]
    assert isinstance(stage, StreamStage)

    assert "value = end(value, item)" in write_loop(inline_shape(stage, stage.last)).source
