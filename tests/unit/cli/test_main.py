"""The command line in this process: what it finds, what it prints, and how it ends."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import get_args

import pytest

import daglite.cli.doctor as doctor
from daglite.cli import main
from daglite.options import RuntimeName
from tests.paths import GOLDEN
from tests.samples import check_golden
from tests.unit.cli.conftest import SHOP

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


def test_explain_tells_what_the_coordinator_can_do(capsys: Capture) -> None:
    assert main(["explain", "shop:pipeline", "--workers", "1000", "--runtime", "dask"]) == 0
    assert "it is the bottleneck of 1,000 workers (dask) unless an item takes" in capsys.readouterr().out
    assert main(["explain", "shop:pipeline", "--workers", "3"]) == 0
    assert "the bottleneck of 3 workers (processes) unless" in capsys.readouterr().out
    assert main(["explain", "shop:pipeline", "--runtime", "dask"]) == 2
    assert capsys.readouterr().err.startswith("daglite explain: --runtime needs --workers: how many there are")
    assert main(["explain", "shop:pipeline", "--workers", "3", "--format", "dot"]) == 2
    assert capsys.readouterr().err.startswith("daglite explain: `format` with `workers` must be one of 'text', ")


def test_explain_writes_a_file(shop: Path, capsys: Capture) -> None:
    assert main(["explain", "shop:pipeline", "-f", "json", "-o", "plan.json"]) == 0

    assert capsys.readouterr().out == ""
    assert json.loads((shop / "plan.json").read_text())["format"] == "daglite.explain"


def test_a_file_that_cannot_be_written_is_a_usage_error(capsys: Capture) -> None:
    assert main(["explain", "shop:pipeline", "-o", "no/where.txt"]) == 2
    assert capsys.readouterr().err == "daglite explain: 'no/where.txt' cannot be written: No such file or directory\n"


def test_options_of_compile_are_passed_on(capsys: Capture) -> None:
    assert (
        main(["explain", "shop:pipeline", "--no-optimize", "--max-in-flight", "9", "--max-in-flight-bytes", "77"]) == 0
    )
    plain = capsys.readouterr().out
    assert main(["explain", "shop:pipeline", "--max-batch-size", "3", "--no-helper-thread", "-f", "json"]) == 0
    limits = json.loads(capsys.readouterr().out)["limits"]

    assert "not optimised   in flight <= 9 items, 77 bytes" in plain
    assert (limits["max_batch_size"], limits["helper_thread"]) == (3, False)


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
        (
            ["shop:plan", "--max-in-flight", "3"],
            "'shop:plan' gives a plan, which is compiled already; it takes no option",
        ),
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
        (
            ["run", "--wrkers", "3", "shop:pipeline"],
            "daglite run: there is no option '--wrkers'; did you mean '--work",
        ),
        (["run", "shop:pipeline", "--wrkers=3"], "there is no option '--wrkers'; did you mean '--workers'?"),
        (["explain", "shop:pipeline", "--seed", "3"], "daglite explain: there is no option '--seed'"),
        (["run", "shop:pipeline", "more"], "daglite run: it has no place for another argument; got 'more'"),
    ],
)
def test_wrong_option_is_told_and_is_a_usage_error(arguments: list[str], complaint: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit, match=r"^2$"):
        main(arguments)

    err = capsys.readouterr().err
    assert complaint in err.replace("-p/", "").replace("-f/", "")
    assert err.count("\n") == 1


def test_options_that_do_not_fit_the_runtime_are_a_usage_error(capsys: Capture) -> None:
    assert main(["run", "shop:pipeline", "--runtime", "threads", "--start-method", "fork"]) == 2

    assert "daglite run: `start_method` is an option of worker processes" in capsys.readouterr().err


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
    amount = r"[\d.]+ (s|ms|us|ns)"
    for method in ("fork", "forkserver", "spawn"):
        assert re.search(rf"^{method} +{amount}( +taken by `auto` here)?$", out, re.MULTILINE), method
    for runtime in get_args(RuntimeName):
        assert re.search(rf"^{runtime} +{amount} +{amount}$", out, re.MULTILINE), runtime
    assert out.count("taken by `auto` here") == 1
    assert max(map(len, out.splitlines())) <= 80


def test_doctor_tells_what_does_not_work(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    def refuse(plan: object, items: int, options: dict[str, object]) -> float:
        if options.get("start_method") == "spawn":
            raise OSError("no processes today")
        return 0.001 * items

    monkeypatch.setattr(doctor, "_seconds", refuse)

    assert main(["doctor", "--workers", "1"]) == 1
    out = capsys.readouterr().out
    assert "spawn               does not work: OSError: no processes today\n" in out
    assert "inline              1.00 ms     1.00 ms\n" in out


@pytest.mark.parametrize("command", ["", "explain", "run", "timeline", "doctor"])
def test_help_is_as_reviewed(command: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit, match=r"^0$"):
        main([command, "--help"] if command else ["--help"])

    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    if sys.version_info[:2] == (3, 11):
        # argparse lays options out a little differently in every version.
        check_golden(GOLDEN / f"help_{command or 'daglite'}.txt", out.rstrip("\n"))
