"""The page of text: every step on its line, in data order, true and stable."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from daglite import Future, compile, task
from daglite.exceptions import ParameterError
from daglite.program import steps_of
from tests.paths import GOLDEN
from tests.samples import check_golden, one, pair, several, told_by, total
from tests.unit.compile.test_long import calls, maps
from tests.unit.explain.pipelines import PIPELINES, add, fetch, lines, price, rows, shared


def table(text: str) -> list[str]:
    """The lines of the steps."""
    return [line for line in text.splitlines() if re.match(r" *\d+ [+ ] (coordinator|workers)", line)]


@pytest.mark.parametrize("name", PIPELINES)
@pytest.mark.parametrize("optimize", [True, False], ids=["", "plain"])
def test_text_is_as_reviewed(name: str, optimize: bool) -> None:
    file = GOLDEN / f"{name}{'' if optimize else '_plain'}.txt"

    check_golden(file, compile(PIPELINES[name], optimize=optimize).explain())


def test_limits_are_shown() -> None:
    plan = compile(PIPELINES["design_example"], max_in_flight=8, max_batch_size=3, max_in_flight_bytes=1000)

    check_golden(GOLDEN / "limits.txt", plan.explain())


DESIGN = """\
plan 7f3a91c2   ReduceFuture[float]   optimised   in flight <= 512 items per worker, 64 MiB
 #   where        step                              type                  limits
 0   coordinator  iter rows(path='data.csv')        dict[str, str]        CompositeMapTaskNode
 1 + workers      then price                        -> float              batch adaptive
 2 + coordinator  reduce add(initial=0.0)           -> float              ordered
rules: stream_source 1, stream_reduce 1            not fused: nothing
"""


def test_example_of_the_design_looks_as_drawn_there() -> None:
    """Cell for cell; only the fingerprint and the widths of columns are free."""
    text = compile(PIPELINES["design_example"]).explain()

    assert cells(text) == cells(DESIGN)


def cells(text: str) -> list[list[str]]:
    return [re.split(r" {2,}", re.sub(r"^plan \w{8}", "plan", line.strip())) for line in text.splitlines()]


@pytest.mark.parametrize("name", PIPELINES)
@pytest.mark.parametrize("optimize", [True, False])
def test_every_task_has_its_line_and_no_line_names_two_nodes(name: str, optimize: bool) -> None:
    plan = compile(PIPELINES[name], optimize=optimize)
    text = plan.explain()
    shown_lines, steps = table(text), [step for stage in plan.program.stages for step in steps_of(stage)]
    head, *rest = text.splitlines()

    assert len(shown_lines) == len(steps)
    for line, step in zip(shown_lines, steps, strict=True):
        assert re.match(rf" *{step.number} ", line)
        verbs = "iter|call|map|then|filter|join|reduce|take_while|group_by|distinct|scan"
        # An operation that asks no task goes by its own name.
        assert re.search(rf"(\b({verbs})|coordinator ) {re.escape(step.function.name)}(\(| )", line)
        assert len(re.findall(r"\w+Node\b", line)) == (1 if step.node else 0)
        assert step.node in line
    assert not [line for line in [head, *rest] if line not in shown_lines and re.search(r"\w+Node\b", line)]


def test_fused_pipeline_is_one_composite_and_plain_one_has_none() -> None:
    pipeline = rows.iter(path="a").then(price).then(price.with_options(name="again")).reduce(add, initial=0.0)
    fused, plain = compile(pipeline).explain(), compile(pipeline, optimize=False).explain()

    assert re.findall(r"\w+Node\b", fused) == ["CompositeMapTaskNode"]
    assert re.findall(r"\w+Node\b", plain) == ["IterNode", "MapTaskNode", "MapTaskNode", "ReduceNode"]


def test_data_flows_down() -> None:
    """A line refers only to lines above it."""
    for pipeline in PIPELINES.values():
        for optimize in (True, False):
            for line in table(compile(pipeline, optimize=optimize).explain()):
                number = int(line.split()[0])
                assert all(int(other) < number for other in re.findall(r"#(\d+)", line))


@pytest.mark.parametrize("name", PIPELINES)
@pytest.mark.parametrize("optimize", [True, False])
def test_no_line_is_wider_than_80_but_those_of_a_table_that_is_not_folded(name: str, optimize: bool) -> None:
    first, *rest = compile(PIPELINES[name], optimize=optimize).explain().splitlines()
    assert len(first) <= 90
    widest = max(len(line) for line in rest if not line.startswith("no fingerprint"))

    assert widest <= 90
    assert widest <= 80 or not [line for line in rest if line.startswith("      ")]


def test_first_line_gives_up_the_words_of_the_bound_before_the_title() -> None:
    def word() -> str:
        return ""

    def short() -> dict[str, set[int]]:
        return {}

    def wide() -> dict[str, list[tuple[int, str]]]:
        return {}

    def head(made: Future[object], **options: Any) -> str:
        return re.sub(r"^plan \w{8}", "plan ........", compile(made, **options).explain().splitlines()[0])

    assert (
        head(task(word)(), max_in_flight=8)
        == "plan ........   TaskFuture[str]   optimised   in flight <= 8 items, 64 MiB"
    )
    whole = "plan ........   TaskFuture[str]   optimised   in flight <= 512 items per worker, 64 MiB"
    assert head(task(word)()) == whole
    assert (
        head(task(short)())
        == "plan ........  TaskFuture[dict[str, set[int]]]  optimised  in flight <= 512/worker, 64 MiB"
    )
    assert (
        head(task(wide)())
        == "plan ........  TaskFuture[dict[str, list[t...]  optimised  in flight <= 512/worker, 64 MiB"
    )


def test_argument_that_fits_on_a_line_is_not_torn() -> None:
    text = compile(PIPELINES["values"]).explain()

    assert " many={'a': <set of 1>, 'b': (1, 2, 3...},\n" in text
    assert "call shows(x=<object>, fn=<len>," in text


@pytest.mark.parametrize(("build", "verb"), [(maps, "map"), (calls, "call")])
@pytest.mark.parametrize("optimize", [True, False])
def test_plan_of_5000_steps_is_one_page(build: Callable[[int], Future[object]], verb: str, optimize: bool) -> None:
    """The first and the last step are shown, and how many there are between them."""
    text = compile(build(5000), optimize=optimize).explain()
    last = "then minus(b=0)" if optimize else f"{verb} minus(a=#4999, b=0)"

    assert len(text.splitlines()) < 15
    assert re.search(r"\n    0  .*\b(rows|one)\(", text)
    assert re.search(rf"\n 5000 .* {re.escape(last)}", text)
    assert "b=0) (x 4,998)" in text
    assert optimize or "minus(a=#...," in text


def test_long_plan_without_runs_shows_both_ends() -> None:
    stream = rows.iter(path="a").then(price)
    for number in range(500):
        stream = stream.then(price.with_options(name=f"price{number}"))
    text = compile(stream).explain()

    assert len(text.splitlines()) < 50
    assert "(462 more steps, 20 to 481; explain('verbose') shows them)" in text
    assert re.search(r"\n +1 \+ workers +then price ", text)
    assert re.search(r"\n 501 \+ workers +then price499 ", text)


def test_plan_of_forty_steps_is_shown_whole() -> None:
    text = compile(maps(39)).explain()

    assert text.count("then minus(b=0)") == 39
    assert "(x " not in text


def test_many_streams_that_were_not_fused_are_counted() -> None:
    stream = rows.iter(path="a")
    value: Future[object] = total(items=stream)
    for _ in range(20):
        value = pair(value, total(items=stream.then(price)))
    text = compile(value).explain()

    assert "\n  and 13 more" in text
    assert text.count("needed as a list, materialised") == 7


def test_unknown_format_is_told_with_the_known_ones() -> None:
    plan: Any = compile(one(n=1))

    with pytest.raises(ParameterError, match=r"`format` must be one of 'text', 'verbose', .*'html'; got 'xml'"):
        plan.explain("xml")


def test_no_address_id_or_trailing_space() -> None:
    for pipeline in PIPELINES.values():
        text = compile(pipeline).explain()
        assert "0x" not in text
        assert " at " not in text
        assert all(line == line.rstrip() for line in text.splitlines())


def test_explain_does_not_depend_on_when_it_is_asked() -> None:
    plan = compile(PIPELINES["shared"])

    assert plan.explain() == plan.explain() == compile(shared()).explain()


PRINTS = """
import daglite
from daglite import task

@task
def gen(kinds: object, n: int = 3):
    yield from range(n)

class Thing:
    pass

look = task(lambda x, thing, many: x, name="look")
stream = gen.iter(kinds={"c", "a", "b"}).save("{iteration_index}")
joined = stream.then(look, thing=Thing(), many={"k": frozenset("abc"), "l": lambda: 1}).join(task(list))
for optimize in (True, False):
    print(daglite.compile(task(lambda a, b: a, name="both")(joined, stream), optimize=optimize).explain())
"""


def test_text_is_the_same_in_every_process() -> None:
    first, second = told_by(PRINTS, seed=1), told_by(PRINTS, seed=2)

    assert first == second
    assert "thing=<Thing>," in first
    assert "many={'k': <frozenset of 3>, " in first


def test_generator_called_anywhere_gives_a_list() -> None:
    """Only as a source of items it gives them one by one."""
    found = [
        table(compile(pipeline).explain())[-1].split("->")[-1].split("  ")[0].strip()
        for pipeline in (lines(n=1), one(n=1).then(lines), lines.iter(n=1).then(several), lines.iter(n=1).join(several))
    ]

    assert found == ["list[str]", "list[str]", "list[int]", "list[int]"]
    assert re.split(" {2,}", compile(lines.iter(n=1).join(several)).explain())[1] == "TaskFuture[list[int]]"


def test_where_a_save_without_a_store_goes_is_told() -> None:
    note = "saves without a store: the store of the run, by default the folder daglite_data"

    assert note in compile(one(n=1).save("a")).explain()
    assert note not in compile(one(n=1)).explain()
    assert note not in compile(one(n=1).save("a", save_store="folder")).explain()


@pytest.mark.parametrize("optimize", [True, False])
def test_a_key_that_a_second_item_would_need_again_is_told_before_the_run(optimize: bool) -> None:
    """It is allowed, as a stream may have one item; how many it has is known when it runs."""

    def told(pipeline: Future[object]) -> str:
        return " ".join(compile(pipeline, optimize=optimize).explain().split())

    note = "keys for one item, a second one raises DatasetError: "
    assert f"{note}'all' (task 'rows'), 'p' (task 'price'); write {{iteration_index}}" in told(
        rows.iter(path="a").save("all").then(price).save("p").save("p_{iteration_index}").join(total)
    )
    assert note in told(rows.iter(path="a").save("all"))
    assert note in told(price.map(row=[{}]).save("p").distinct())
    assert note not in told(rows.iter(path="a").save("{path}_{iteration_index}").join(total).save("sum"))
    assert note not in told(one(n=1).save("a"))
    assert note not in told(rows(path="a").save("a"))


def test_what_was_not_fused_is_told_with_the_reason() -> None:
    stream = rows.iter(path="a")
    text = compile(pair(stream.then(price), total(items=stream))).explain()

    assert "\nnot fused: iter rows -> collect: shared by 2, materialised;\n" in text
    assert "\n  mapped -> then price -> collect: needed as a list, materialised" in text
    assert "not fused: nothing" in compile(stream.then(price)).explain()
    assert "not fused: everything runs step by step" in compile(stream, optimize=False).explain()


def test_values_of_a_parameter_that_takes_any_number_have_no_name() -> None:
    assert "call max(3, 7)" in compile(task(max)(3, 7)).explain()


def test_task_options_are_shown_on_their_line() -> None:
    line = table(compile(fetch(url="a")).explain())[0]

    assert line.endswith("TaskNode, retries 2")
    assert "retries" not in compile(one(n=1)).explain()
