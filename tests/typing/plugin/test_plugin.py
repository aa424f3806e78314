"""The plugin in the runs of mypy that keep something from one run to the next, and where it knows nothing."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from daglite.mypy_plugin import careful, digest_of
from tests.paths import ROOT

PLUGIN = ROOT / "daglite" / "mypy_plugin"
STEPS = """\
from collections.abc import Iterator
from daglite import task

@task
def numbers(n: int) -> Iterator[int]:
    yield n

@task
def scale(x: float, factor: float) -> float:
    return x * factor
"""
FLOW = """\
from steps import numbers, scale

numbers.iter(n=3).then(scale.partial(factor=2.0))
scale.partial(fcator=2.0)
"""
MISSPELT = 'Unexpected keyword argument "fcator" for "scale.partial"; did you mean "factor"?'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project of two modules, one of which is wrong for the plugin only."""
    (tmp_path / "steps.py").write_text(STEPS)
    (tmp_path / "flow.py").write_text(FLOW)
    (tmp_path / "with.ini").write_text("[mypy]\nplugins = daglite.mypy_plugin\n")
    (tmp_path / "without.ini").write_text("[mypy]\n")
    return tmp_path


@pytest.fixture
def daemon(folder: Path) -> Iterator[list[str]]:
    """A command for mypy's daemon, which ends with the test."""
    command = [sys.executable, "-m", "mypy.dmypy", "--status-file", str(folder / "status.json")]
    yield command
    subprocess.run([*command, "stop"], cwd=folder, capture_output=True, check=False)


def said(folder: Path, *command: str) -> list[str]:
    done = subprocess.run(
        command, cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return [line for line in done.stdout.splitlines() if ": error: " in line]


def mypy(folder: Path, settings: str) -> list[str]:
    return said(folder, sys.executable, "-m", "mypy", f"--config-file={settings}", "flow.py")


def test_cached_results_are_never_those_of_other_settings(folder: Path) -> None:
    """One cache, without the plugin, with it, and with it again after a change of a module that another uses."""
    assert mypy(folder, "without.ini") == []
    assert MISSPELT in "\n".join(mypy(folder, "with.ini"))

    (folder / "steps.py").write_text(STEPS.replace("x: float", "x: str").replace("x *", "len(x) *"))
    wrong_item, misspelt = mypy(folder, "with.ini")
    assert '"then" gives "int" to parameter "x" of task "scale", which takes "str"' in wrong_item
    assert MISSPELT in misspelt


def test_daemon_sees_what_a_change_does_to_other_modules(folder: Path, daemon: list[str]) -> None:
    check = [*daemon, "run", "--", "--config-file=with.ini", "--no-error-summary", "flow.py"]
    assert MISSPELT in "\n".join(said(folder, *check))

    # Of another length: the daemon looks at sizes and whole seconds.
    (folder / "steps.py").write_text(STEPS.replace("factor", "fcators"))
    found = "\n".join(said(folder, *check))
    assert 'Unexpected keyword argument "factor" for "scale.partial"; did you mean "fcators"?' in found
    assert 'Missing positional argument "fcators" in call to "then(scale)"' in found

    (folder / "steps.py").write_text(STEPS)
    assert MISSPELT in "\n".join(said(folder, *check))


def test_hook_that_fails_leaves_the_plain_types() -> None:
    def fails(context: object) -> str:
        raise AssertionError("a mypy that looks different inside")

    assert careful(fails, lambda context: "plain")(None) == "plain"  # type: ignore[type-var]


def test_another_text_of_the_plugin_makes_cached_results_stale(tmp_path: Path) -> None:
    copy = shutil.copytree(PLUGIN, tmp_path / "copy", ignore=shutil.ignore_patterns("__pycache__"))
    assert digest_of(copy) == digest_of(PLUGIN)
    with (copy / "chains.py").open("a") as file:
        file.write("# changed\n")
    assert digest_of(copy) != digest_of(PLUGIN)


@pytest.mark.parametrize("file", sorted(PLUGIN.glob("*.py")), ids=lambda file: file.stem)
def test_plugin_imports_mypy_and_itself_only(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            top = node.module.partition(".")[0]
            assert top in sys.stdlib_module_names | {"mypy"} or node.module.startswith("daglite.mypy_plugin")


def test_daglite_does_not_import_the_plugin() -> None:
    code = "import sys, daglite; sys.exit(any(m == 'mypy' or 'mypy_plugin' in m for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
