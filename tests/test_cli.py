"""The command line: what it finds, what it prints, and how it ends. Most of it in this process, some of it for real."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from daglite.cli import main
from tests.samples import check_golden

ROOT = Path(__file__).parent.parent

SHOP = '''
"""A shop."""
from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import daglite
from daglite import task

if TYPE_CHECKING:
    from nowhere import Unknown


@task
def numbers(n: int, start: int = 0) -> Iterator[int]:
    yield from range(start, start + n)


@task
def double(x: int) -> int:
    return 2 * x


@task
def add(total: int, item: int) -> int:
    return total + item


@task
def fails(x: int) -> int:
    if x == 3:
        raise ValueError("three is not allowed")
    return x


@task
def texts(x: int) -> str | None:
    return None if x == 1 else f"text {x}"


@task
def leaves(x: int) -> int:
    sys.exit(7)


pipeline = numbers.iter(n=4).then(double).reduce(add, initial=0)
items = numbers.iter(n=4).then(double)
broken = numbers.iter(n=5).then(fails).reduce(add, initial=0)
lines = numbers.iter(n=3).then(texts)
saved = numbers.iter(n=2).save("n{iteration_index}").reduce(add, initial=0)
plan = daglite.compile(pipeline)
partial = numbers.partial(start=5)
value = 5
nothing = task(lambda: None, name="nothing")()


def build(n: int, tags: list[str] = [], mode: Literal["sum", "list"] = "sum", **more: float) -> object:
    if n < 0:
        raise ValueError("n is negative")
    stream = numbers.iter(n=n).then(double)
    return stream.reduce(add, initial=len(tags) + int(sum(more.values()))) if mode == "sum" else stream


def odd(n: Unknown, path: Path = Path(".")) -> object:
    return numbers.iter(n=1)


def gives_five() -> int:
    return 5


class Shelf:
    inner = pipeline
'''


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the module `shop`, as a user has it."""
    (tmp_path / "shop.py").write_text(SHOP)
    monkeypatch.chdir(tmp_path)
    path = [*sys.path]
    yield tmp_path
    sys.path[:] = path
    for name in ("shop", "broken_module", "needs", "textwrap_"):
        sys.modules.pop(name, None)


Capture = pytest.CaptureFixture[str]


def test_explain_prints_the_page(capsys: Capture) -> None:
    assert main(["explain", "shop:pipeline"]) == 0

    out = capsys.readouterr().out
    assert out.startswith("plan ")
    assert " 1 + workers      then double" in out


def test_explain_knows_every_form(capsys: Capture) -> None:
    for form, sign in [
        ("text", "plan "),
        ("verbose", "plan "),
        ("source", "# steps 0 to 2"),
        ("json", "{"),
        ("mermaid", "flowchart TD"),
        ("dot", "digraph plan {"),
        ("html", "<!DOCTYPE html>"),
    ]:
        assert main(["explain", "shop:pipeline", "--format", form]) == 0
        assert capsys.readouterr().out.startswith(sign), form


def test_explain_writes_a_file(shop: Path, capsys: Capture) -> None:
    assert main(["explain", "shop:pipeline", "-f", "json", "-o", "plan.json"]) == 0

    assert capsys.readouterr().out == ""
    assert json.loads((shop / "plan.json").read_text())["format"] == "daglite.explain"


def test_options_of_compile_are_passed_on(capsys: Capture) -> None:
    assert main(["explain", "shop:pipeline", "--no-optimize", "--window", "9", "--window-bytes", "77"]) == 0
    plain = capsys.readouterr().out
    assert main(["explain", "shop:pipeline", "--batch", "3", "--no-helper-thread", "-f", "json"]) == 0
    limits = json.loads(capsys.readouterr().out)["limits"]

    assert "not optimised   window <= 9 items, 77 bytes" in plain
    assert (limits["batch"], limits["helper_thread"]) == (3, False)


@pytest.mark.parametrize(
    ("target", "params", "printed"),
    [
        ("shop:pipeline", [], "12\n"),
        ("shop.py:pipeline", [], "12\n"),
        ("./shop.py:pipeline", [], "12\n"),
        ("shop:Shelf.inner", [], "12\n"),
        ("shop:plan", [], "12\n"),
        ("shop:items", [], "0\n2\n4\n6\n"),
        ("shop:lines", [], "text 0\ntext 2\n"),
        ("shop:nothing", [], ""),
        ("shop:double", ["x=21"], "42\n"),
        ("shop:numbers", ["n=3"], "[0, 1, 2]\n"),
        ("shop:partial", ["n=2"], "[5, 6]\n"),
        ("shop:build", ["n=4"], "12\n"),
        ("shop:build", ["n=4", "tags=a,b"], "14\n"),
        ("shop:build", ["n=2", "mode=list"], "0\n2\n"),
        ("shop:build", ["n=1", "extra=1.5", "other=2.5"], "4\n"),
    ],
)
def test_run_prints_the_value(target: str, params: list[str], printed: str, capsys: Capture) -> None:
    given = [part for one in params for part in ("--param", one)]

    assert main(["run", target, "--runtime", "inline", *given]) == 0

    assert capsys.readouterr() == (printed, "")


def test_items_are_printed_as_they_come(shop: Path) -> None:
    """The reader may leave before the end; an endless source has none."""
    with (shop / "shop.py").open("a") as file:
        file.write("import itertools\n@task\ndef endless() -> Iterator[int]:\n    yield from itertools.count()\n")
        file.write("forever = endless.iter().then(double)\n")
    running = started("run", "shop:forever", "--workers", "1")
    assert running.stdout is not None
    first = [running.stdout.readline() for _ in range(3)]
    running.stdout.close()

    assert first == ["0\n", "2\n", "4\n"]
    assert running.wait(timeout=60) == 141
    assert error_of(running) == ""


def test_saves_go_where_the_option_says(shop: Path, capsys: Capture) -> None:
    assert main(["run", "shop:saved", "--runtime", "inline", "--store", "kept"]) == 0

    assert len(list((shop / "kept").rglob("n*"))) >= 2
    assert not (shop / "daglite_data").exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["shop"], "TARGET must be module:name or file.py:name; got 'shop'"),
        (["shop:"], "TARGET must be module:name or file.py:name; got 'shop:'"),
        (["nowhere:x"], "there is no module 'nowhere', here or in the environment of "),
        (["shop.inner:x"], "there is no module 'shop.inner', here or "),
        (["not-a-name:x"], "'not-a-name' is not the name of a module"),
        (["nowhere.py:x"], "there is no file 'nowhere.py'"),
        (["shop:pipelin"], "'shop' has no 'pipelin'; did you mean 'pipeline'?"),
        (["shop:zzz"], "'shop' has no 'zzz'; it has numbers, double, add, fails, texts, leaves, pipeline, items, "),
        (["shop:value"], "'shop:value' must be a pipeline (a future), a plan, or a task or function that gives one; "),
        (["shop:gives_five"], "'shop:gives_five' must be a pipeline (a future), a plan, or a task or function that "),
        (["shop:pipeline", "-p", "n=1"], "'shop:pipeline' is a pipeline and takes no --param; name a task or "),
        (["shop:plan", "-p", "n=1"], "'shop:plan' is a plan and takes no --param; name a task or a function "),
        (["shop:plan", "--window", "3"], "'shop:plan' gives a plan, which is compiled already; it takes no option"),
        (["shop:build"], "'shop:build' needs --param n=<int>"),
        (["shop:double", "-p", "y=1"], "'shop:double' has no parameter 'y'; it has x"),
        (["shop:numbers", "-p", "n=1", "-p", "strat=1"], "it has n, start; did you mean 'start'?"),
        (["shop:gives_five", "-p", "y=1"], "'shop:gives_five' has no parameter 'y'; it has none"),
        (["shop:partial", "-p", "start=1"], "'shop:partial' has no parameter 'start'; it has n"),
        (["shop:build", "-p", "n=1", "-p", "n=2"], "--param n is given twice"),
        (["shop:build", "-p", "n=x"], "parameter 'n' must be a whole number; got 'x'"),
        (["shop:build", "-p", "n=1", "-p", "mode=all"], "parameter 'mode' must be one of sum, list; got 'all'"),
        (["shop:build", "-p", "n=1", "-p", "more=x"], "parameter 'more' must be a number; got 'x'"),
        (["shop:odd", "-p", "n=1"], "parameter 'n' is annotated 'Unknown', which cannot be read (NameError: name "),
    ],
)
@pytest.mark.parametrize("command", ["run", "explain"])
def test_wrong_target_is_told_and_is_a_usage_error(
    command: str, arguments: list[str], complaint: str, capsys: Capture
) -> None:
    assert main([command, *arguments]) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"daglite {command}: ")
    assert complaint in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["walk"], "invalid choice: 'walk'"),
        (["run"], "the following arguments are required: TARGET"),
        (["run", "shop:pipeline", "--workers", "0"], "--workers: must be a whole number >= 1; got '0'"),
        (["run", "shop:pipeline", "--workers", "x"], "--workers: must be a whole number >= 1; got 'x'"),
        (["run", "shop:pipeline", "--worker-retries", "-1"], "--worker-retries: must be a whole number >= 0; got '-1'"),
        (["run", "shop:pipeline", "--runtime", "cloud"], "--runtime: invalid choice: 'cloud'"),
        (["run", "shop:pipeline", "--start-method", "x"], "--start-method: invalid choice: 'x'"),
        (["run", "shop:build", "--param", "n"], "--param: must be NAME=VALUE; got 'n'"),
        (["run", "shop:build", "--param", "=1"], "--param: must be NAME=VALUE; got '=1'"),
        (["explain", "shop:pipeline", "--format", "xml"], "--format: invalid choice: 'xml'"),
    ],
)
def test_wrong_option_is_told_and_is_a_usage_error(arguments: list[str], complaint: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit, match=r"^2$"):
        main(arguments)

    assert complaint in capsys.readouterr().err.replace("-p/", "").replace("-f/", "")


def test_annotation_that_is_not_needed_is_not_read() -> None:
    """Only for checkers: `odd` cannot be called, but what is missing is told first."""
    assert main(["explain", "shop:odd", "-p", "path=x"]) == 2


def test_failed_run_ends_with_1_and_tells_the_item(capsys: Capture) -> None:
    assert main(["run", "shop:broken", "--workers", "1"]) == 1

    out, err = capsys.readouterr()
    assert out == ""
    assert "ValueError: three is not allowed" in err
    assert "item 3" in err


def test_failing_function_ends_with_1(capsys: Capture) -> None:
    assert main(["run", "shop:build", "-p", "n=-1"]) == 1

    assert "ValueError: n is negative" in capsys.readouterr().err


def test_failing_module_ends_with_1(shop: Path, capsys: Capture) -> None:
    (shop / "broken_module.py").write_text("1 / 0\n")
    (shop / "needs.py").write_text("import not_installed\n")

    assert main(["explain", "broken_module:x"]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err
    assert main(["explain", "needs:x"]) == 1
    assert "No module named 'not_installed'" in capsys.readouterr().err


def test_pipeline_that_is_wrong_ends_with_1(shop: Path, capsys: Capture) -> None:
    with (shop / "shop.py").open("a") as file:
        file.write("@task\ndef upper(x: str) -> str:\n    return x\nwrong = items.then(upper)\n")

    assert main(["explain", "shop:wrong"]) == 0
    assert main(["explain", "shop:wrong", "--check-types"]) == 1
    assert "TaskError" in capsys.readouterr().err


def test_file_must_not_hide_behind_another_module(shop: Path, capsys: Capture) -> None:
    (shop / "textwrap.py").write_text(SHOP)

    assert main(["explain", "textwrap.py:pipeline"]) == 2
    assert "a module called 'textwrap' is there already" in capsys.readouterr().err


def started(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "daglite", *arguments]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


def error_of(running: subprocess.Popen[str]) -> str:
    assert running.stderr is not None
    with running.stderr:
        return running.stderr.read()


@pytest.mark.parametrize("method", ["auto", "fork", "forkserver", "spawn"])
def test_real_command_runs_workers(method: str) -> None:
    """Functions of a module that is named on the command line reach workers, however these are started."""
    running = started("run", "shop.py:items", "--workers", "2", "--start-method", method)
    out, err = running.communicate(timeout=100)

    assert (running.returncode, out, err) == (0, "0\n2\n4\n6\n", "")


def test_file_of_another_folder_finds_its_neighbours(shop: Path) -> None:
    """In workers too: its folder comes first on the path, as when Python runs the file."""
    (shop / "deep").mkdir()
    (shop / "deep" / "neighbour.py").write_text("from shop import *\n")
    (shop / "shop.py").rename(shop / "deep" / "shop.py")
    running = started("run", "deep/neighbour.py:items", "--workers", "1", "--start-method", "spawn")
    out, err = running.communicate(timeout=100)

    assert (running.returncode, out, err) == (0, "0\n2\n4\n6\n", "")


def test_installed_command_is_the_same() -> None:
    command = Path(sys.executable).parent / "daglite"
    done = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)

    assert re.fullmatch(r"daglite \d+\.\d+\.\d+\n", done.stdout)


def test_failed_real_command_ends_with_1() -> None:
    running = started("run", "shop:broken", "--workers", "1")
    out, err = running.communicate(timeout=100)

    assert (running.returncode, out) == (1, "")
    assert "three is not allowed" in err


def test_interrupted_command_ends_with_130(shop: Path) -> None:
    """As by Ctrl-C: it reaches the whole group, workers too; nothing of the run is left."""
    with (shop / "shop.py").open("a") as file:
        file.write("import time\n@task\ndef slow(x: int) -> int:\n    open(f'{x}.began', 'w').close()\n")
        file.write("    time.sleep(600)\n    return x\nstuck = numbers.iter(n=2).then(slow)\n")
    command = [sys.executable, "-m", "daglite", "run", "shop:stuck", "--workers", "1"]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, start_new_session=True
    )
    until = time.monotonic() + 60
    while not (shop / "0.began").exists() and time.monotonic() < until:
        time.sleep(0.01)
    os.killpg(running.pid, signal.SIGINT)
    out, err = running.communicate(timeout=60)

    assert (running.returncode, out, err) == (130, "", "interrupted\n")


def test_exit_of_the_users_own_code_is_kept(shop: Path) -> None:
    with (shop / "shop.py").open("a") as file:
        file.write("@task\ndef quits() -> Iterator[int]:\n    yield 1\n    sys.exit(7)\nquitting = quits.iter()\n")

    with pytest.raises(SystemExit, match=r"^7$"):
        main(["run", "shop:quitting", "--runtime", "inline"])


def test_doctor_measures_every_runtime(capsys: Capture) -> None:
    assert main(["doctor", "--workers", "1"]) == 0

    out = capsys.readouterr().out
    for name in ("daglite ", "python ", "processors ", "multiprocess ", "dill "):
        assert re.search(rf"^{name} +\S", out, re.MULTILINE), name
    amount = r"[\d.]+(e\+\d+)? (s|ms|us|ns)"
    for method in ("fork", "forkserver", "spawn"):
        assert re.search(rf"^{method} +{amount}( +taken by `auto` here)?$", out, re.MULTILINE), method
    for runtime in ("inline", "processes"):
        assert re.search(rf"^{runtime} +{amount} +{amount}$", out, re.MULTILINE), runtime
    assert out.count("taken by `auto` here") == 1
    assert max(map(len, out.splitlines())) <= 80


def test_doctor_tells_what_does_not_work(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    def refuse(plan: object, items: int, options: dict[str, object]) -> float:
        if options.get("start_method") == "spawn":
            raise OSError("no processes today")
        return 0.001 * items

    monkeypatch.setattr("daglite.cli.doctor._seconds", refuse)

    assert main(["doctor", "--workers", "1"]) == 1
    out = capsys.readouterr().out
    assert "spawn               does not work: OSError: no processes today\n" in out
    assert "inline              1 ms        1 ms\n" in out


@pytest.mark.parametrize("command", ["", "explain", "run", "doctor"])
def test_help_is_as_reviewed(command: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit, match=r"^0$"):
        main([command, "--help"] if command else ["--help"])

    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    if sys.version_info[:2] == (3, 11):
        # argparse lays options out a little differently in every version.
        check_golden(Path(__file__).parent / "golden" / f"help_{command or 'daglite'}.txt", out.rstrip("\n"))
