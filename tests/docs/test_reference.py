"""The reference pages list the options, fields, rules and tests that exist; the figures are the published ones."""

from __future__ import annotations

import inspect
import json
import math
import pydoc
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

import daglite
from daglite import events, exceptions
from daglite.compile.rules import RULES
from daglite.observe import Report
from daglite.observe.measures import StepReport, StreamReport, WorkerReport
from daglite.run_options import RunOptions
from daglite.runtime import __all__ as runtimes
from daglite.tasks import TaskOptions
from tests.paths import ROOT

DOCS = ROOT / "docs"
# Records that observers are given; those with fields of their own.
OF_RUNS = [name for name in events.__all__ if hasattr(getattr(events, name), "__match_args__")]
TEST = re.compile(r"`(?:([\w/]*test_\w+\.py)|…)(?:::(test_\w+))?`")


def text_of(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def section(page: str, heading: str) -> str:
    """Return the text below a heading, up to the next one of its level."""
    level = heading.partition(" ")[0]
    _, _, below = text_of(page).partition(f"\n{heading}\n")
    assert below, f"{page} has no heading {heading!r}"
    return re.split(rf"^{level} ", below, maxsplit=1, flags=re.MULTILINE)[0]


def first_cells(text: str) -> list[str]:
    """Return the code in the first cells of the tables of a text."""
    rows = re.findall(r"^\|([^|]*)\|", text, re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`\.?(\w+)", row)]


def options_of(function: Callable[..., object]) -> list[str]:
    return [p.name for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY]


@pytest.mark.parametrize(
    ("heading", "options"),
    [
        ("## Of a task", [*TaskOptions.__annotations__]),
        ("## Of compile", options_of(daglite.compile)),
        ("## Of a run", [*RunOptions.__annotations__]),
        ("## Of reduce", options_of(daglite.IterFuture.reduce)),
    ],
)
def test_options_are_all_there_and_no_others(heading: str, options: list[str]) -> None:
    assert sorted(first_cells(section("reference/options.md", heading))) == sorted(options)


def test_every_public_name_has_its_signature_and_its_line() -> None:
    page = text_of("reference/api.md")
    overview, _, listed = page.partition("\n## Signatures\n")
    signatures = set(re.findall(r"^::: daglite\.(?:\w+\.)?(\w+)$", listed, re.MULTILINE))
    names = {name for name in daglite.__all__ if inspect.isclass(getattr(daglite, name))} | {*runtimes}
    # Partial tasks are tasks in every respect.
    assert names - signatures == {"PartialTask", "PartialStreamTask"}
    lines = " ".join(re.findall(r"^(?:### |\| `)(.*)$", overview, re.MULTILINE))
    assert [name for name in names if not re.search(rf"\b{name}\b", lines)] == []


def test_names_with_a_signature_exist() -> None:
    for name in re.findall(r"^::: (\S+)$", text_of("reference/api.md"), re.MULTILINE):
        assert pydoc.locate(name) is not None, name


def test_methods_of_streams_are_all_in_the_table() -> None:
    table = section("reference/api.md", "### IterFuture, MapTaskFuture")
    methods = {name for name in dir(daglite.IterFuture) if not name.startswith("_")}
    listed = {*re.findall(r"`\.(\w+)\(", table), *first_cells(section("reference/api.md", "### Future"))}
    assert methods - listed == set()


def test_rules_are_all_in_the_table() -> None:
    listed = first_cells(section("reference/explain.md", "## The rules"))
    assert sorted(listed) == sorted(rule.__name__ for rule in RULES)


@pytest.mark.parametrize("name", OF_RUNS)
def test_fields_of_what_observers_are_told_are_all_there(name: str) -> None:
    page = text_of("reference/events.md")
    if name == "Progress":
        told = section("reference/events.md", "## Progress")
    elif name == "StepTime":
        told = page[page.index("`StepTime`") :].partition(";")[0]
    else:
        told = next(line for line in page.splitlines() if line.startswith("| `") and f"`{name}`" in line)
    assert {*getattr(events, name).__match_args__} - {"at"} - {*re.findall(r"`(\w+)`", told)} == set()


def test_what_a_report_has_is_told() -> None:
    line = next(line for line in text_of("reference/events.md").splitlines() if line.startswith("| `Report()`"))
    has = {name for name, kind in vars(Report).items() if isinstance(kind, property)}
    assert has == {name for name in re.findall(r"`(\w+)`", line) if name != "print"}


@pytest.mark.parametrize(
    ("name", "kind"), [("steps", StepReport), ("streams", StreamReport), ("workers", WorkerReport)]
)
def test_fields_of_reports_are_told(name: str, kind: type[object]) -> None:
    rows = [line for line in text_of("reference/events.md").splitlines() if line.startswith(f"| `{name}` |")]
    assert {*inspect.get_annotations(kind)} == {*re.findall(r"`(\w+)`", rows[0])} - {name}


def test_errors_and_facts_are_all_told() -> None:
    page = text_of("reference/errors.md")
    kinds = {name for name in exceptions.__all__ if name.endswith("Error")}
    assert kinds - {*first_cells(page), "DagliteError"} == set()
    told = first_cells(section("reference/errors.md", "## Failure"))
    assert told == [field.name for field in fields(exceptions.Failure)]


@pytest.mark.parametrize("page", ["explanation/guarantees.md", "explanation/promises.md", "explanation/laws.md"])
def test_tests_that_are_named_exist(page: str) -> None:
    sources = [file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("*.py")]
    for file, name in TEST.findall(text_of(page)):
        there = [path for path in (ROOT / "tests").rglob("*.py") if str(path).endswith(f"/{file}")] if file else None
        assert there != [], f"{page} names {file}"
        texts = sources if there is None else [path.read_text(encoding="utf-8") for path in there]
        assert not name or any(f"def {name}(" in text for text in texts), f"{page} names {file}::{name}"


@pytest.mark.parametrize("file", [ROOT / "README.md", DOCS / "explanation/comparison.md"], ids=lambda file: file.name)
@pytest.mark.parametrize("name", ["streamable", "mpire", "imap", "joblib"])
def test_how_far_others_run_ahead_is_as_published(file: Path, name: str) -> None:
    results = json.loads((DOCS / "reference/benchmarks.json").read_text(encoding="utf-8"))
    rows = next(table["rows"] for table in results["tables"] if table["name"] == "ahead")
    figure = next(row["figure"] for row in rows if row["contestant"] == name)
    written = file.read_text(encoding="utf-8").partition("<!-- figures")[0]
    found = [float(number.replace(",", "")) for number in re.findall(rf"\b{name}`? ([\d,]+\d|\d)", written)]
    assert any(math.isclose(number, figure, rel_tol=0.1, abs_tol=2) for number in found), (
        f"{name}: {found}, not {figure}"
    )
