"""The table of programs: what mypy, mypy with the plugin, pyright and Python itself say to each.

`cases/*.txt` hold it. A program stands between `== its name` and the four verdicts on it, `ok` or a message:

    == call with an unknown name: misspelt      what comes before the colon is the kind of mistake
    scale(x=1.0, fcator=2.0)
    -- mypy     ...
    -- plugin   ...
    -- pyright  ...
    -- python   ...                             raised when the program runs
    -- why      ...                             only where the four do not agree: the reason

Programs have the tasks of `shop.py`. `python -m tests.typing.rewrite` writes what the four say now into the table; the
difference is then read like code.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CASES = HERE / "cases"
SHOP = HERE / "shop.py"
JUDGES = ("mypy", "plugin", "pyright", "python")
PREAMBLE = """\
from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import (
    Any, Concatenate, Generic, ParamSpec, Self, TypedDict, TypeVar, TypeVarTuple, Unpack, assert_type, overload,
)

from shop import *

from daglite import (
    Future, IterFuture, MapTaskFuture, PartialStreamTask, PartialTask, Plan, ReduceFuture, StreamTask, Task, TaskFuture,
    compile, ref, task,
)

"""
SETTINGS = """\
[mypy]
python_version = 3.11
strict = True
enable_error_code = truthy-bool, unused-awaitable, unused-coroutine
cache_dir = .cache-{name}
exclude = plugins/
{plugins}
"""
# The plugin hides its own failures from users; here they end mypy, and the test.
LOUD = """\
import daglite.mypy_plugin
from daglite.mypy_plugin import plugin

daglite.mypy_plugin.careful = lambda hook, plain: hook
"""
_REPORT = re.compile(r"^(?:.*[/\\])?(\w+)\.py:\d+: error: (.*)$")
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


@dataclass
class Program:
    """A program of the table, and what was said to it."""

    name: str
    code: str
    said: dict[str, list[str]] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The kind of mistake."""
        return self.name.partition(":")[0]

    @property
    def module(self) -> str:
        """A name for its file."""
        return "case_" + re.sub(r"\W+", "_", self.name)

    @property
    def wrong(self) -> bool:
        """Whether anybody objects."""
        return any(self.said.get(judge) != ["ok"] for judge in JUDGES)

    def text(self) -> str:
        """The program as the table has it."""
        verdicts = [
            f"-- {judge:<8} {one}" for judge in (*JUDGES, "why") for one in self.said.get(judge, []) if self.said
        ]
        return "\n".join([f"== {self.name}", self.code, *verdicts, ""])


def programs(file: Path) -> list[Program]:
    """The programs of one file of the table."""
    found: list[Program] = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith("== "):
            found.append(Program(line[3:], ""))
        elif line.startswith("-- "):
            judge, _, verdict = line[3:].partition(" ")
            found[-1].said.setdefault(judge, []).append(verdict.strip())
        else:
            found[-1].code += line + "\n"
    for program in found:
        program.code = program.code.strip("\n")
    return found


def table() -> list[Program]:
    """All programs."""
    return [program for file in sorted(CASES.glob("*.txt")) for program in programs(file)]


def positives() -> list[Program]:
    """The programs that the plugin and Python accept."""
    return programs(CASES / "accepted.txt")


def lay_out(folder: Path, listed: Sequence[Program]) -> None:
    """A project in `folder` with one file for each program."""
    (folder / "shop.py").write_text(SHOP.read_text(encoding="utf-8"), encoding="utf-8")
    for program in listed:
        (folder / f"{program.module}.py").write_text(PREAMBLE + program.code + "\n", encoding="utf-8")
    (folder / "plugins").mkdir(exist_ok=True)
    (folder / "plugins" / "loud.py").write_text(LOUD, encoding="utf-8")
    settings = {"plain": "", "plugin": "plugins = plugins/loud.py"}
    for name, plugins in settings.items():
        (folder / f"{name}.ini").write_text(SETTINGS.format(name=name, plugins=plugins), encoding="utf-8")
    (folder / "pyrightconfig.json").write_text(
        json.dumps(
            {
                "pythonVersion": "3.11",
                "exclude": ["plugins"],
                "reportUnusedExpression": False,
                "reportUnusedCoroutine": True,
            }
        )
    )


def start(folder: Path, judge: str) -> subprocess.Popen[str]:
    """One checker over all programs of `folder`."""
    pyright = ["-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "."]
    mypy = ["-m", "mypy", "--no-pretty", "--hide-error-context", "--no-color-output", "--no-error-summary"]
    ini = {"mypy": "plain.ini", "plugin": "plugin.ini"}.get(judge)
    arguments = [*mypy, f"--config-file={ini}", "."] if ini else pyright
    env = os.environ | {"PYTHONPATH": str(ROOT), "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    return subprocess.Popen(
        [sys.executable, *arguments], cwd=folder, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def verdicts(judge: str, output: str) -> dict[str, list[str]]:
    """What a checker's output says, by module."""
    found: dict[str, list[str]] = {}
    for module, message in _read_pyright(output) if judge == "pyright" else _read_mypy(output):
        if message not in found.setdefault(module, []):
            found[module].append(message)
    return found


def _read_mypy(output: str) -> Iterator[tuple[str, str]]:
    for line in output.splitlines():
        match = _REPORT.match(line)
        if match:
            yield match[1], match[2]
        elif ": note: " not in line:
            raise ValueError(f"mypy says: {line}")


def _read_pyright(output: str) -> Iterator[tuple[str, str]]:
    for one in json.loads(output)["generalDiagnostics"]:
        if one["severity"] == "error":
            yield Path(one["file"]).stem, f"{one['message'].splitlines()[0]}  [{one['rule']}]"


def said_by_checkers(folder: Path, listed: Sequence[Program]) -> dict[str, dict[str, list[str]]]:
    """What the three checkers say, by checker and module; they run side by side, once each."""
    lay_out(folder, listed)
    running = {judge: start(folder, judge) for judge in JUDGES[:3]}
    said = {}
    for judge, process in running.items():
        output, errors = process.communicate()
        if process.returncode not in (0, 1):
            raise ValueError(f"{judge} ended with {process.returncode}: {output}{errors}")
        said[judge] = verdicts(judge, output)
    return said


def said_by_python(program: Program) -> list[str]:
    """The first line of what the program raises; of an error of Python itself only the type, for texts change."""
    # As `__main__`, where functions travel by value; the tasks of the shop are imported from where they are.
    scope: dict[str, object] = {"__name__": program.module}
    code = (PREAMBLE + program.code).replace("from shop import", "from tests.typing.shop import")
    try:
        with redirect_stdout(io.StringIO()):
            exec(compile(code, f"{program.module}.py", "exec"), scope)
    except Exception as error:
        *_, last = traceback.walk_tb(error.__traceback__)
        if not Path(last[0].f_code.co_filename).is_relative_to(ROOT / "daglite"):
            return [type(error).__name__]
        first = str(error).splitlines()[0]
        return [f"{type(error).__name__}: {_ADDRESS.sub('', first)}"]
    return ["ok"]
