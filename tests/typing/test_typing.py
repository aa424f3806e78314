"""What checkers say: the types of the public surface, and the mistakes they find.

`positive.py` is checked and executed. In `negative/` each program makes one mistake, marked with the error code that
mypy must report: as `# type: ignore[code]` it keeps the file clean elsewhere, here the marks are taken off first.
"""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
NEGATIVE = sorted((HERE / "negative").glob("*.py"))
MARK = re.compile(r"  # type: ignore\[([a-z-]+)\]$")
REPORT = re.compile(r"^(?:.*[/\\])?(\w+)\.py:(\d+): error: .*  \[([a-z-]+)\]$")


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[tuple[int, str]]]:
    """The errors of each file, by line and code, from one run of mypy over all of them."""
    folder = tmp_path_factory.mktemp("negative")
    for file in NEGATIVE:
        lines = file.read_text(encoding="utf-8").splitlines()
        (folder / file.name).write_text("\n".join(MARK.sub("", line) for line in lines), encoding="utf-8")
    shutil.copy(HERE / "positive.py", folder)
    # In the project's folder and with its settings, so that what the linting has cached is found again.
    command = [sys.executable, "-m", "mypy", "--no-pretty", "--hide-error-context", "--no-color-output", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found: dict[str, set[tuple[int, str]]] = {}
    for line in done.stdout.splitlines():
        if match := REPORT.match(line):
            found.setdefault(match[1], set()).add((int(match[2]), match[3]))
        else:
            assert ": error: " not in line, line
    return found


def test_surface_has_the_types_it_shows(reported: dict[str, set[tuple[int, str]]]) -> None:
    assert reported.get("positive", set()) == set()


def test_surface_runs() -> None:
    runpy.run_path(str(HERE / "positive.py"), run_name="__main__")


@pytest.mark.parametrize("file", NEGATIVE, ids=lambda file: file.stem)
def test_mistake_is_found(file: Path, reported: dict[str, set[tuple[int, str]]]) -> None:
    """This mistake with this code at this line, and nothing else."""
    lines = file.read_text(encoding="utf-8").splitlines()
    marked = {(number, match[1]) for number, line in enumerate(lines, 1) if (match := MARK.search(line))}

    assert len(marked) == 1
    assert reported.get(file.stem, set()) == marked


def test_every_kind_of_mistake_has_a_program() -> None:
    assert len(NEGATIVE) >= 12
