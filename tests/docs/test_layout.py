"""Architecture page, README layout and CONTRIBUTING journeys name folders and files that exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_architecture import IMPORTS

ROOT = Path(__file__).parent.parent.parent
PACKAGE = ROOT / "daglite"
ARCHITECTURE = (ROOT / "docs/explanation/architecture.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
JOURNEYS = (
    "To add an operation",
    "To add an engine",
    "To change how batches are sized",
    "To follow a dead worker",
)


def modules_in(folder: Path) -> set[str]:
    """Return the modules and folders of a folder, without those that begin with an underscore."""
    files = {file.name for file in folder.glob("*.py")}
    folders = {f"{init.parent.name}/" for init in folder.glob("*/__init__.py")}
    return {name for name in files | folders if not name.startswith("_")}


def layers() -> list[str]:
    """Return the layers of the runtime as the architecture test has them, the highest first."""
    return [f"{unit.partition('.')[2]}/" for unit in reversed(IMPORTS) if unit.startswith("runtime.")]


def rows(text: str, head: str) -> list[tuple[str, str]]:
    """Return the cells of a table with two columns."""
    _, _, below = text.partition(f"| {head} | contents |\n|---|---|\n")
    table = below.partition("\n\n")[0]
    return [
        (first.strip(), second.strip()) for first, second in re.findall(r"^\| (.*?) \| (.*) \|$", table, re.MULTILINE)
    ]


def layout() -> tuple[set[str], list[str]]:
    """Return the modules of the package and the layers of the runtime in the README."""
    tree = README.partition("\ndaglite/\n")[2].partition("\n```")[0]
    top = {name for line in re.findall(r"^  (\S.*)$", tree, re.MULTILINE) for name in names_of(line)}
    return top, re.findall(r"^    (\w+/)", tree, re.MULTILINE)


def names_of(line: str) -> Iterator[str]:
    """Yield the names at the beginning of a line."""
    for word in line.split():
        if not re.fullmatch(r"\w+(?:\.py|/)", word):
            return
        yield word


def test_architecture_names_the_modules_of_the_package() -> None:
    named = {name for first, _ in rows(ARCHITECTURE, "module") for name in re.findall(r"`([^`]+)`", first)}
    assert named == modules_in(PACKAGE)


def test_architecture_names_the_layers_of_the_runtime_highest_first() -> None:
    table = rows(ARCHITECTURE, "layer")
    assert [first.strip("`") for first, _ in table] == layers()
    assert {*layers()} == modules_in(PACKAGE / "runtime")


def test_modules_that_the_architecture_names_are_in_their_folders() -> None:
    for first, second in [*rows(ARCHITECTURE, "module"), *rows(ARCHITECTURE, "layer")]:
        folders = [PACKAGE / name for name in re.findall(r"`([\w/]+/)`", first)]
        folders += [PACKAGE / "runtime" / folder.name for folder in folders]
        for name in re.findall(r"`(\w+(?:\.py|/))`", second):
            assert any((folder / name).exists() for folder in folders), f"{first} has no {name}"


def test_readme_shows_the_layout_of_the_package() -> None:
    top, runtime = layout()
    assert top == modules_in(PACKAGE)
    assert runtime == layers()


@pytest.mark.parametrize("journey", JOURNEYS)
def test_files_of_a_journey_exist(journey: str) -> None:
    _, _, below = CONTRIBUTING.partition(f"\n### {journey}\n")
    files = paths(below.partition("\n### ")[0])
    assert len(files) >= 3
    assert [file for file in files if not (ROOT / file).exists()] == []


def test_files_that_contributing_names_exist() -> None:
    assert [file for file in paths(CONTRIBUTING) if not (ROOT / file).exists()] == []


def paths(text: str) -> list[str]:
    """Return the paths that a text names, without patterns such as `rules/<name>.py`."""
    return [path for path in re.findall(r"`([\w./-]+/[\w./-]*)`", text) if not path.startswith((".venv", "build"))]
