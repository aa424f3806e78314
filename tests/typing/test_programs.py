"""Every checker and Python say to each program what its file says, and agree where they can."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from tests.typing.checkers import Report, reports, texts
from tests.typing.pages import PARTS, TEN, Part
from tests.typing.programs import CHECKERS, HERE, OK, Program, negatives, positives, read, said_by_python

NEGATIVES, POSITIVES = negatives(), positives()
PROGRAMS = [*NEGATIVES, *POSITIVES]


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Report]]:
    """One run of each checker over all programs, and over `surface.py`."""
    return reports(tmp_path_factory.mktemp("programs"))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.file.stem)
def test_checkers_say_what_the_file_says(program: Program, reported: dict[str, list[Report]]) -> None:
    said = {judge: texts(reported[judge], program.file.stem) for judge in CHECKERS}
    assert said == {judge: program.said[judge] for judge in CHECKERS}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.file.stem)
def test_python_says_what_the_file_says(program: Program) -> None:
    assert said_by_python(program) == program.said["python"]


@pytest.mark.parametrize("program", NEGATIVES, ids=lambda program: program.file.stem)
def test_mistake_is_found_where_it_is(program: Program, reported: dict[str, list[Report]]) -> None:
    """In one statement, which is the same for every checker."""
    found = [one for judge in CHECKERS for one in reported[judge] if one.file == program.file.stem]
    assert len({program.statement(one.line) for one in found}) == 1


@pytest.mark.parametrize("judge", CHECKERS)
def test_surface_has_the_same_types_for_every_checker(judge: str, reported: dict[str, list[Report]]) -> None:
    """`surface.py` needs no plugin and is not disturbed by it."""
    assert texts(reported[judge], "surface") == OK


def test_surface_runs() -> None:
    runpy.run_path(str(HERE / "surface.py"), run_name="__main__")


def test_tasks_of_the_programs_have_no_mistakes(reported: dict[str, list[Report]]) -> None:
    assert [texts(reported[judge], "shop") for judge in CHECKERS] == [OK] * len(CHECKERS)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.file.stem)
def test_who_differs_has_a_reason(program: Program) -> None:
    """What the plugin rejects is raised when built, unless only a value has a wrong type; what it accepts builds.

    The reasons for anything else name those who differ, and nobody who does not.
    """
    told = {judge for who, _ in program.reasons() for judge in who}
    assert told == set(program.differing())


def test_plugin_finds_every_mistake_and_raises_no_false_alarm() -> None:
    assert [program.name for program in NEGATIVES if program.accepted_by("plugin")] == []
    assert [program.name for program in POSITIVES if not program.accepted_by("plugin")] == []


def test_builds_what_the_plugin_accepts() -> None:
    assert [program.name for program in POSITIVES if not program.accepted_by("python")] == []


def test_other_checkers_miss_mistakes_for_few_reasons_only() -> None:
    """A mistake that checkers without the plugin let pass is one of `.partial` and `.map`, or known by name."""
    missed = {p.name for p in NEGATIVES for judge in ("mypy", "pyright", "pyrefly") if p.accepted_by(judge)}
    assert {name for name in missed if not name.startswith(("partial", "map"))} == {
        "chain of an item into the wrong parameter: after partial",
        "chain with a plain function: one that returns a future",
        "task of a task",
        "task of a task: with options",
    }


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.file.stem)
def test_file_is_named_for_what_it_shows(program: Program) -> None:
    assert program.file.stem == program.slug
    assert program.whole() == program.file.read_text(encoding="utf-8")


def test_table_is_wide() -> None:
    assert len(NEGATIVES) >= 60
    assert len({program.kind for program in NEGATIVES}) >= 25
    assert len(POSITIVES) >= 30


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.mark)
def test_page_shows_the_real_messages(part: Part) -> None:
    assert part.shown() == part.text(), "run `python -m tests.typing.rewrite`"


def test_page_shows_ten_mistakes() -> None:
    assert len(TEN) == 10


def test_reader_takes_verdicts_only(tmp_path: Path) -> None:
    file = tmp_path / "program.py"
    file.write_text(
        '"""A name: more."""\n\n# a comment\nx = 1\n\n# mypy     one  [a]\n# mypy     two  [b]\n# why      ty: so\n'
    )
    program = read(file)
    assert program.text == '"""A name: more."""\n\n# a comment\nx = 1\n'
    assert program.said == {"mypy": ["one  [a]", "two  [b]"], "why": ["ty: so"]}
    assert (program.kind, program.slug, program.reasons()) == ("a name", "a_name_more", [(["ty"], "so")])
