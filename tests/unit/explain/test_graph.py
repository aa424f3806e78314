"""The graphs: every step a node, every flow of items and every use of a value an arrow."""

from __future__ import annotations

import re

import pytest

from daglite import Future, compile, task
from daglite.explain.fold import folded
from daglite.explain.graph import Arrow, arrows
from daglite.explain.table import table_of
from tests.paths import GOLDEN
from tests.samples import check_golden, one, pair
from tests.unit.compile.test_long import calls, maps
from tests.unit.explain.pipelines import PIPELINES


@pytest.mark.parametrize("form", ["mermaid", "dot"])
@pytest.mark.parametrize("name", ["saved", "shared", "operations"])
def test_graph_is_as_reviewed(name: str, form: str) -> None:
    plan = compile(PIPELINES[name])

    check_golden(GOLDEN / f"{name}.{form}", plan.explain("mermaid" if form == "mermaid" else "dot"))


@pytest.mark.parametrize("name", PIPELINES)
@pytest.mark.parametrize("optimize", [True, False])
def test_every_step_is_a_node_and_every_name_is_defined(name: str, optimize: bool) -> None:
    plan = compile(PIPELINES[name], optimize=optimize)
    steps = len(table_of(plan.program, None).rows)

    mermaid, dot = plan.explain("mermaid"), plan.explain("dot")

    for text, node, edge in (
        (mermaid, r'^    (s\d+)\["', r"^  (s\d+) -\.?->(?:\|\".*\"\|)? (s\d+)$"),
        (dot, r"^    (s\d+) \[label", r"^  (s\d+) -> (s\d+) \["),
    ):
        nodes = re.findall(node, text, re.MULTILINE)
        ends = [end for pair in re.findall(edge, text, re.MULTILINE) for end in pair]
        assert nodes == [f"s{number}" for number in range(steps)]
        assert set(ends) <= set(nodes)
        assert len(ends) == 2 * len(arrows_of(PIPELINES[name], optimize=optimize))


def arrows_of(pipeline: Future[object], *, optimize: bool = True) -> list[Arrow]:
    rows = table_of(compile(pipeline, optimize=optimize).program, None).rows
    return arrows(rows, folded(rows))


def test_arrows_are_flows_and_uses() -> None:
    assert arrows_of(PIPELINES["shared"]) == [
        Arrow(0, 1, "x", False),
        Arrow(1, 2, "list[int]", True),
        Arrow(0, 3, "x", False),
        Arrow(3, 4, "int", True),
        Arrow(4, 5, "a", False),
        Arrow(0, 5, "b", False),
        Arrow(2, 6, "a", False),
        Arrow(5, 6, "b", False),
    ]


@pytest.mark.parametrize("optimize", [True, False])
def test_folded_chain_is_still_a_chain(optimize: bool) -> None:
    found = [(arrow.start, arrow.end) for build in (maps, calls) for arrow in arrows_of(build(200), optimize=optimize)]

    assert found == [(0, 1), (1, 2), (2, 3)] * 2


def test_independent_steps_are_not_joined_by_folding() -> None:
    value: Future[object] = one(n=0)
    for _ in range(50):
        value = pair(a=value, b=one(n=1))

    assert {arrow.label for arrow in arrows_of(value, optimize=False)} == {"a", "b"}


HOSTILE = task(lambda x: x, name='quo"te<b>#35; `tick`\\')


def test_names_mean_nothing_to_mermaid() -> None:
    text = compile(HOSTILE(x='a "b" <i> #1;')).explain("mermaid")
    label = text.splitlines()[3]

    assert "call quo#34;te#60;b#62;#35;35#59; #96;tick#96;#92;(x=" in label
    assert label.count('"') == 2
    assert re.sub(r"<br/>", "", label).count("<") == 0


def test_names_mean_nothing_to_dot() -> None:
    text = compile(HOSTILE(x='a "b" <i> #1;')).explain("dot")
    (label,) = re.findall(r'label=("call.*?(?<!\\)"|"0 .*?(?<!\\)"), color', text)

    assert r"call quo\"te<b>#35; `tick`\\(x=" in label
    assert label.startswith('"0  call')
