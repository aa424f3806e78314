"""Folding cells: where lines end, and which column gives way."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from daglite.explain.columns import TableLine, columns, wrapped


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("then f(a=1)", 20, ["then f(a=1)"]),
        ("then f(a=1, b=2)", 15, ["then f(a=1,", "  b=2)"]),
        ("then f(a=[1, 2], b=2)", 18, ["then f(a=[1, 2],", "  b=2)"]),
        ("then f(a=[1, 2])", 12, ["then f(", "  a=[1, 2])"]),
        ("TaskNode, retries 2, save k", 12, ["TaskNode,", "  retries 2,", "  save k"]),
        ("-> dict[str, list[int]]", 16, ["-> dict[str,", "  list[int]]"]),
        ("mapped -> then f -> collect", 17, ["mapped ->", "  then f ->", "  collect"]),
        ("then averyveryverylongname(a=1)", 12, ["then averyveryverylongname(", "  a=1)"]),
        ("f, abcdefghijklmnop", 10, ["f,", "  abcdefgh", "  ijklmnop"]),
        ("f, combine add not needed", 14, ["f, combine add", "  not needed"]),
        ("f, save abcdefghijklmnop", 10, ["f,", "  save abc", "  defghijk", "  lmnop"]),
    ],
)
def test_line_ends_where_it_reads_best(text: str, width: int, lines: list[str]) -> None:
    assert wrapped(text, width) == lines


@given(st.text(alphabet="ab ,([)]->|{}=;", min_size=1, max_size=60).map(str.strip), st.integers(8, 40))
def test_nothing_is_lost_when_a_cell_is_folded(text: str, width: int) -> None:
    lines = wrapped(text, width)

    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(len(line) <= width for line in lines[1:])


def line(call: str = "then f", type_: str = "-> int", limits: str = "") -> TableLine:
    return TableLine(" 0   workers", call, type_, limits)


def test_table_that_fits_is_aligned_and_not_folded() -> None:
    lines = [*columns([line("then f", "-> int", "ordered"), line("then something", "int")])]

    assert lines == [
        " 0   workers  then f          -> int  ordered",
        " 0   workers  then something  int",
    ]


@pytest.mark.parametrize(
    "wide",
    [
        line(limits=", ".join(f"save key{n}" for n in range(20))),
        line("then f(" + ", ".join(f"a{n}={n}" for n in range(30)) + ")"),
        line(type_=f"-> tuple[{', '.join(['int'] * 30)}]"),
        line("then f(" + "x" * 50 + ")", "-> " + "y" * 30, "z, " + "z" * 40),
    ],
)
def test_wide_table_is_folded_to_80(wide: TableLine) -> None:
    lines = [*columns([line(), wide])]

    assert max(map(len, lines)) <= 80
    assert len(lines) > 2


def test_limits_give_way_before_the_call() -> None:
    lines = [
        *columns([line("then f(first=1, second=2, third=3)", "-> int", "CompositeMapTaskNode, batch adaptive, x")])
    ]

    assert "then f(first=1, second=2, third=3)  -> int  CompositeMapTaskNode," in lines[0]


def test_text_between_is_not_touched() -> None:
    told = "-" * 100

    assert [*columns([line(), told, line()])][1] == told
