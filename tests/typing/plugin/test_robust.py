"""The plugin fails on nothing, and says the same from a cache, from the daemon and in a new run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.typing.checkers import LOUD, lay_out
from tests.typing.plugin.wild import program

SHOWN = re.compile(r"^(.*\.py:\d+): error: .*  (\[[\w-]+\])$")
PLAIN = ["--no-pretty", "--hide-error-context", "--no-color-output", "--no-error-summary"]


def run(folder: Path, *command: str) -> list[str]:
    """What mypy says; a hook that fails ends it, as the plugin is told not to hide that."""
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, env=os.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), (done.stdout + done.stderr)[-3000:]
    return done.stdout.splitlines()


def reports(lines: list[str]) -> set[tuple[str, str]]:
    """Where something is wrong, and the code: the words may change with what is cached."""
    return {(match[1], match[2]) for line in lines if (match := SHOWN.match(line))}


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[list[str]]:
    command = ["mypy.dmypy", "--status-file", str(tmp_path / "status.json")]
    yield command
    subprocess.run([sys.executable, "-m", *command, "stop"], capture_output=True, check=False)


def test_no_use_of_any_task_makes_a_hook_fail(tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text(LOUD)
    (tmp_path / "loud.ini").write_text("[mypy]\nplugins = loud.py\ncheck_untyped_defs = True\n")
    (tmp_path / "wild.py").write_text(program())

    lines = run(tmp_path, "mypy", *PLAIN, "--config-file=loud.ini", "--cache-dir=/dev/null", "wild.py")

    # Nonsense it is, and all of it was looked at.
    assert len(reports(lines)) > 1000
    last = program().count("\n")
    assert any(f"wild.py:{number}: error" in line for line in lines for number in range(last - 5, last + 1))


def test_cache_and_daemon_say_what_a_new_run_says(tmp_path: Path, daemon: list[str]) -> None:
    """On all programs: at first, and after a change of the module that all of them use."""
    lay_out(tmp_path)
    # The daemon of mypy 2.4 itself ends on a decorated method that gives Self beside a mistake, also without daglite.
    (tmp_path / "tests" / "typing" / "negative" / "result_of_a_wrong_type_Self.py").unlink()
    shop = tmp_path / "tests" / "typing" / "shop.py"
    cached = ["mypy", *PLAIN, "--config-file=plugin.ini", "tests"]
    serving = [*daemon, "run", "--", *PLAIN, "--config-file=plugin.ini", "--cache-dir=.cache-daemon", "tests"]
    new = ["mypy", *PLAIN, "--config-file=plugin.ini", "--cache-dir=/dev/null", "tests"]
    first = reports(run(tmp_path, *cached))
    assert len(first) > 100
    assert reports(run(tmp_path, *serving)) == first

    text = shop.read_text(encoding="utf-8")
    shop.write_text(text.replace("factor: float", "factors: float").replace("* factor", "* factors"), encoding="utf-8")
    changed = reports(run(tmp_path, *new))
    assert changed != first
    assert reports(run(tmp_path, *cached)) == changed
    assert reports(run(tmp_path, *serving)) == changed

    shop.write_text(text, encoding="utf-8")
    assert reports(run(tmp_path, *cached)) == first
    assert reports(run(tmp_path, *serving)) == first
