"""What mypy, mypy with the plugin, pyright, pyrefly and ty say: one process each over all programs, side by side."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.typing.programs import CHECKERS, HERE, NEGATIVE, POSITIVE

MYPY = """\
[mypy]
python_version = 3.11
strict = True
enable_error_code = truthy-bool, unused-awaitable, unused-coroutine
explicit_package_bases = True
cache_dir = .cache-{name}
{plugins}
"""
# The plugin hides its own failures from users; here they end mypy, and the test.
LOUD = """\
import daglite.mypy_plugin
from daglite.mypy_plugin import plugin

daglite.mypy_plugin.careful = lambda hook, plain: hook
"""
PYRIGHT = {
    "pythonVersion": "3.11",
    "include": ["tests"],
    "reportUnusedExpression": False,
    "reportUnusedCoroutine": True,
}
PYREFLY = 'project-includes = ["tests"]\npython-version = "3.11"\n'
TY = '[environment]\npython-version = "3.11"\n'
LONGEST = 260
_MYPY = re.compile(r"^(?:.*[/\\])?(?P<file>\w+)\.py:(?P<line>\d+): error: (?P<text>.*)$")
_TY = re.compile(r"^(?:.*[/\\])?(?P<file>\w+)\.py:(?P<line>\d+):\d+: error\[(?P<rule>[\w-]+)\] (?P<text>.*)$")


@dataclass(frozen=True)
class Report:
    """One error: the stem of its file, the line, the message with its rule."""

    file: str
    line: int
    text: str


def lay_out(folder: Path) -> None:
    """The programs, the shop and the surface as a project of their own in `folder`, away from this one's settings."""
    there = folder / "tests" / "typing"
    for programs in (NEGATIVE, POSITIVE):
        shutil.copytree(programs, there / programs.name, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("shop.py", "surface.py"):
        shutil.copy(HERE / file, there)
    (folder / "loud.py").write_text(LOUD, encoding="utf-8")
    (folder / "mypy.ini").write_text(MYPY.format(name="mypy", plugins=""), encoding="utf-8")
    (folder / "plugin.ini").write_text(MYPY.format(name="plugin", plugins="plugins = loud.py"), encoding="utf-8")
    (folder / "pyrightconfig.json").write_text(json.dumps(PYRIGHT), encoding="utf-8")
    (folder / "pyrefly.toml").write_text(PYREFLY, encoding="utf-8")
    (folder / "ty.toml").write_text(TY, encoding="utf-8")


def command(judge: str) -> list[str]:
    """How a checker is called in the folder that `lay_out` has made."""
    tools = Path(sys.executable).parent
    if judge == "pyright":
        return [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable]
    if judge == "pyrefly":
        return [str(tools / "pyrefly"), "check", "--output-format=json", "--python-interpreter-path", sys.executable]
    if judge == "ty":
        return [str(tools / "ty"), "check", "--output-format=concise", "--python", sys.executable, "tests"]
    plain = ["--no-pretty", "--hide-error-context", "--no-color-output", "--no-error-summary"]
    return [sys.executable, "-m", "mypy", *plain, f"--config-file={judge}.ini", "tests"]


def reports(folder: Path) -> dict[str, list[Report]]:
    """What each checker reports on the programs, in a new `folder`: what mypy has cached it words differently."""
    lay_out(folder)
    env = os.environ | {"PYRIGHT_PYTHON_GLOBAL_NODE": "0", "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    running = {
        judge: subprocess.Popen(
            command(judge), cwd=folder, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for judge in CHECKERS
    }
    found = {}
    for judge, process in running.items():
        output, errors = process.communicate()
        if process.returncode not in (0, 1):
            raise ValueError(f"{judge} ended with {process.returncode}: {output}{errors}")
        found[judge] = list(dict.fromkeys(READERS[judge](output)))
    return found


def texts(found: list[Report], file: str) -> list[str]:
    """What is said to one program: its messages, each once, or `ok`."""
    return list(dict.fromkeys(one.text for one in found if one.file == file)) or ["ok"]


def _message(text: str, rule: str) -> str:
    """One line; what is said about all the overloads of a builtin is cut."""
    line = " ".join(text.split())
    return f"{line if len(line) <= LONGEST else line[:LONGEST] + ' ...'}  [{rule}]"


def _read_mypy(output: str) -> Iterator[Report]:
    for line in output.splitlines():
        if match := _MYPY.match(line):
            text, _, code = match["text"].rpartition("  ")
            yield Report(match["file"], int(match["line"]), _message(text, code.strip("[]")))
        elif ": note: " not in line:
            raise ValueError(f"mypy says: {line}")


def _read_pyright(output: str) -> Iterator[Report]:
    for one in json.loads(output)["generalDiagnostics"]:
        if one["severity"] == "error":
            line = one["range"]["start"]["line"] + 1
            yield Report(Path(one["file"]).stem, line, _message(one["message"].splitlines()[0], one["rule"]))


def _read_pyrefly(output: str) -> Iterator[Report]:
    for one in json.loads(output)["errors"]:
        if one["severity"] == "error":
            text = _message(one["concise_description"], one["name"])
            yield Report(Path(one["path"]).stem, int(one["line"]), text)


def _read_ty(output: str) -> Iterator[Report]:
    for line in output.splitlines():
        if match := _TY.match(line):
            yield Report(match["file"], int(match["line"]), _message(match["text"], match["rule"]))
        elif ": error" in line:
            raise ValueError(f"ty says: {line}")


READERS: dict[str, Callable[[str], Iterator[Report]]] = {
    "mypy": _read_mypy,
    "plugin": _read_mypy,
    "pyright": _read_pyright,
    "pyrefly": _read_pyrefly,
    "ty": _read_ty,
}
