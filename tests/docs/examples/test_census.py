"""The census of Python source, compared with a program without daglite."""

from __future__ import annotations

import ast
import collections
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from daglite.options import RuntimeName
from examples.census import LongFunction, Report, census, table
from tests.engines.conformance.commands import dask_by_command
from tests.paths import ROOT

# The plain program below parses with warnings on.
pytestmark = pytest.mark.filterwarnings("ignore:.*invalid escape sequence")

STDLIB = Path(sysconfig.get_path("stdlib"))
# The field that holds an identifier, for each kind of node that has one.
NAMED = {"Name": "id", "Attribute": "attr", "arg": "arg", "ClassDef": "name"}
NAMED |= dict.fromkeys(["FunctionDef", "AsyncFunctionDef"], "name")
ODD = {
    "syntax.py": b"def f(:\n",
    "undeclared.py": "name = 'größer'\n".encode("latin-1"),
    "unknown.py": b"# coding: klingon\nx = 1\n",
    "zero.py": b"x = 1\x00\n",
    "deep.py": b"(" * 5000,
}
GOOD = {
    "declared.py": "# coding: latin-1\nname = 'größer'\n".encode("latin-1"),
    "marked.py": b"\xef\xbb\xbfx = 1\n",
    "escape.py": b"x = '\\d'\n",
    "empty.py": b"",
    "nested/waits.py": b"class A:\n    async def wait(self):\n        await self\n",
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy sixty modules of the standard library, and some difficult files."""
    folder = tmp_path_factory.mktemp("library")
    for module in [*sorted(STDLIB.glob("*.py"))[:50], *sorted(STDLIB.glob("json/*.py")), *STDLIB.glob("asyncio/q*.py")]:
        copy = folder / module.relative_to(STDLIB)
        copy.parent.mkdir(exist_ok=True)
        shutil.copyfile(module, copy)
    for name, content in {**ODD, **GOOD, "site-packages/foreign.py": b"y = 2\n"}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def expected(library: Path) -> Report:
    """Compute the same census in plain Python."""
    files, bad, functions = 0, set(), []
    kinds, names = collections.Counter[str](), collections.Counter[str]()
    for folder, _, found in os.walk(library):
        for file in (name for name in found if name.endswith(".py") and "site-packages" not in folder):
            path = os.path.relpath(os.path.join(folder, file), library)
            files += 1
            try:
                tree = ast.parse((library / path).read_bytes())
            except (SyntaxError, ValueError, MemoryError):
                bad.add(path)
                continue
            for node in ast.walk(tree):
                kind = type(node).__name__
                kinds[kind] += 1
                if kind in NAMED:
                    names[getattr(node, NAMED[kind])] += 1
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    assert node.end_lineno is not None
                    functions.append((node.end_lineno - node.lineno + 1, path, node.lineno, node.name))
    longest = [LongFunction(*one) for one in sorted(functions, reverse=True)[:5]]
    return Report(files, len(functions), bad, kinds, names, longest)


@pytest.mark.parametrize("runtime", ["inline", "processes"])
def test_report_equals_that_of_a_plain_program(library: Path, expected: Report, runtime: RuntimeName) -> None:
    report = census(str(library)).run(runtime=runtime)
    assert report == expected
    assert report.unreadable == set(ODD)
    assert report.files >= 60


def test_second_run_of_a_plan_starts_from_nothing(library: Path) -> None:
    """The fold changes its accumulator in place, which must not change the plan."""
    plan = census(str(library / "nested"))
    assert plan.run(runtime="inline").files == plan.run(runtime="inline").files == 1


def test_script_prints_plan_times_and_report(library: Path, expected: Report) -> None:
    """The classes of a script belong to `__main__`; the reports with and without workers are equal."""
    lines = run_script("--folder", str(library), "--workers", "2").splitlines()
    assert lines[0].startswith("plan ")
    places = [words[1:3] for line in lines[2:12] if (words := line.split()) and words[0] in ("0", "1", "2")]
    assert places == [["coordinator", "iter"], ["+", "workers"], ["+", "coordinator"]]
    assert any(line.startswith("2 workers") for line in lines)
    assert any(line.startswith("sequential") for line in lines)
    assert any("equal reports" in line for line in lines)
    assert lines[-len(list(table(expected))) :] == list(table(expected))


def test_script_runs_the_same_plan_on_dask(library: Path, expected: Report, tmp_path: Path) -> None:
    """Run on a cluster of its own, and on an existing one without the script."""
    with dask_by_command(str(tmp_path), workers=1) as address:
        for cluster in ([], [address.removeprefix("tcp://")]):
            lines = run_script("--folder", str(library), "--workers", "1", "--dask", *cluster).splitlines()
            assert any(line.startswith("Dask ") for line in lines)
            assert any("equal reports" in line for line in lines)
            assert lines[-len(list(table(expected))) :] == list(table(expected))


def test_script_may_leave_the_comparison_out(library: Path) -> None:
    text = run_script("--folder", str(library / "nested"), "--workers", "1", "--once")
    assert "sequential" not in text
    assert "1 files, 0 of them cannot be parsed" in text


def test_script_names_a_folder_that_is_not_there() -> None:
    with pytest.raises(subprocess.CalledProcessError, match="exit status 2") as caught:
        run_script("--folder", "no-such-folder")
    assert "got 'no-such-folder'" in caught.value.stderr


def run_script(*arguments: str) -> str:
    """Return the output of `examples/census.py`; its error output must be empty."""
    command = [sys.executable, str(ROOT / "examples" / "census.py"), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, timeout=100)
    assert done.stderr == ""
    return done.stdout
