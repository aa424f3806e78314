"""Mypy, mypy with the plugin, pyright and Python say to each program what the table says, and agree where they can."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.typing.messages import PAGE, TEN, between_marks, chapter
from tests.typing.programs import HERE, JUDGES, Program, positives, said_by_checkers, said_by_python, table

TABLE = table()
ACCEPTED = {program.name for program in positives()}
CHECKERS = JUDGES[:3]
# Mistakes in values, not in names or shapes: building does not compare types, so Python may let them pass.
OF_VALUES = ("[arg-type]", "[assignment]", "[list-item]", "[no-any-return]")

Said = dict[str, dict[str, list[str]]]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Said:
    """One run of each checker over all programs, and over `positive.py`."""
    folder = tmp_path_factory.mktemp("programs")
    shutil.copy(HERE / "positive.py", folder)
    return said_by_checkers(folder, TABLE)


@pytest.mark.parametrize("program", TABLE, ids=lambda program: program.module)
def test_checkers_say_what_the_table_says(program: Program, said: Said) -> None:
    assert {judge: said[judge].get(program.module, ["ok"]) for judge in CHECKERS} == {
        judge: program.said[judge] for judge in CHECKERS
    }


@pytest.mark.parametrize("program", TABLE, ids=lambda program: program.module)
def test_python_says_what_the_table_says(program: Program) -> None:
    assert said_by_python(program) == program.said["python"]


@pytest.mark.parametrize("judge", CHECKERS)
def test_surface_has_the_same_types_for_every_checker(judge: str, said: Said) -> None:
    """`positive.py` needs no plugin and is not disturbed by it."""
    assert said[judge].get("positive", []) == []


@pytest.mark.parametrize("program", TABLE, ids=lambda program: program.module)
def test_run_time_agrees_with_the_types(program: Program) -> None:
    """What the plugin rejects is raised when built, unless only a value has a wrong type; what it accepts builds.

    Where the two differ, or a checker without the plugin does, the table tells why.
    """
    accepted = {judge: program.said[judge] == ["ok"] for judge in JUDGES}
    checkers = [accepted[judge] for judge in CHECKERS]
    agree = len(set(accepted.values())) == 1
    values_only = not any(checkers) and all(one.endswith(OF_VALUES) for one in program.said["plugin"])
    assert agree or values_only or program.said.get("why"), f"no reason given: {accepted}"
    assert not (agree and program.said.get("why")), "a reason for nothing"


def test_what_the_plugin_accepts_is_listed_as_accepted() -> None:
    """The plugin has no false alarms among the positives, and misses nothing among the negatives."""
    assert {program.name for program in TABLE if program.said["plugin"] == ["ok"]} == ACCEPTED


def test_builds_what_the_plugin_accepts() -> None:
    raised = [program.name for program in TABLE if program.name in ACCEPTED and program.said["python"] != ["ok"]]
    assert raised == ["classes: one without a readable signature"]


def test_table_is_wide() -> None:
    negatives = [program for program in TABLE if program.name not in ACCEPTED]
    assert len(negatives) >= 60
    assert len({program.kind for program in negatives}) >= 25
    assert len({program.module for program in TABLE}) == len(TABLE)
    assert len(ACCEPTED) >= 30


def test_page_shows_the_real_messages() -> None:
    assert len(TEN) == 10
    assert between_marks(PAGE) == chapter(TABLE), "run `python -m tests.typing.rewrite`"


def test_reader_keeps_a_program_as_it_is() -> None:
    for file in sorted(Path(HERE / "cases").glob("*.txt")):
        listed = [program for program in TABLE if f"== {program.name}\n" in file.read_text(encoding="utf-8")]
        assert "\n".join(program.text() for program in listed) == file.read_text(encoding="utf-8")
