"""How far a run is, as a function hears it, as a line on a terminal, in a notebook and elsewhere."""

from __future__ import annotations

import fcntl
import importlib
import io
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import threading
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from daglite import ref, task
from daglite.events import Progress
from daglite.observe.bars import ProgressBars
from daglite.observe.line import ProgressLine, line_text
from daglite.options import RuntimeName
from tests.paths import ROOT
from tests.samples import rows
from tests.unit.observe.recording import dies_once, fold, sleepy, total_of


@task
def third(x: int) -> int:
    if x % 3 == 0:
        raise ValueError(x)
    return x


def at(done: int, seconds: float, **more: Any) -> Progress:
    facts: dict[str, Any] = dict(
        stage=0, stages=1, task="price", done=done, total=None, in_flight=3, max_in_flight=8, seconds=seconds,
        rate=20.0, left=None, deaths=0, ended=False,
    )  # fmt: skip
    return Progress(**(facts | more))


def test_a_function_hears_how_far_it_is(runtime: RuntimeName) -> None:
    told: list[Progress] = []
    stream = sleepy.map(x=range(30), seconds=[0.02] * 30).reduce(fold, initial=0)
    stream.run(runtime=runtime, workers=1, progress=told.append)

    assert len(told) >= 3
    assert [one.ended for one in told] == [False] * (len(told) - 1) + [True]
    assert [one.done for one in told] == sorted(one.done for one in told)
    assert (told[-1].done, told[-1].total, told[-1].task, told[-1].in_flight) == (30, 30, "fold", 0)
    middle = told[len(told) // 2]
    assert middle.rate > 0
    assert middle.left is not None
    assert middle.left > 0


def test_single_calls_and_deaths_are_told(tmp_path: Path) -> None:
    told: list[Progress] = []
    first = dies_once.map(x=range(3), at=[1] * 3, mark=[str(tmp_path / "died")] * 3).join(total_of)
    sleepy(x=ref(first), seconds=0.5).run(workers=1, progress=told.append)

    assert told[-1].deaths == 1
    assert {one.task for one in told if one.max_in_flight == 0} == {"sleepy"}


def test_items_that_fail_are_counted(runtime: RuntimeName) -> None:
    told: list[Progress] = []
    stream = rows.iter(n=9).then(third.with_options(on_error="skip")).reduce(fold, initial=0)
    stream.run(runtime=runtime, workers=1, progress=told.append)

    assert told[-1].failed == 3


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        (at(12, 3.0), "price  12 done  20/s  0:03  3 of 8 in flight"),
        (at(12, 3.0, total=48, left=2.0), "price  12 of 48 (25 %)  20/s  0:03  0:02 left  3 of 8 in flight"),
        (at(0, 75.0, rate=0.25, stage=1, stages=3), "[2/3] price  0 done  0.25/s  1:15  3 of 8 in flight"),
        (at(0, 2.0, max_in_flight=0), "price  0:02"),
        (at(5, 2.0, max_in_flight=1, deaths=1), "price  5 done  20/s  0:02  1 worker died"),
        (at(5, 2.0, max_in_flight=1, deaths=1, failed=3), "price  5 done  20/s  0:02  3 failed  1 worker died"),
        (at(5, 2.0, ended=True, total=5, left=0.0, deaths=2), "price  5 of 5 (100 %)  20/s  0:02  2 workers died"),
        (at(0, 2.0, total=0), "price  0 of 0  20/s  0:02  3 of 8 in flight"),
    ],
)
def test_a_line_says_what_there_is_to_say(progress: Progress, text: str) -> None:
    assert line_text(progress) == text


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_is_left_clean() -> None:
    out = _Terminal()
    line = ProgressLine(out)
    line(at(1, 0.5))
    assert out.getvalue() == ""
    line(at(2, 1.1))
    line(at(3, 1.2))
    line(at(4, 1.3, ended=True))

    first, second, last = out.getvalue().split("\r")[1::2]
    assert first.startswith("price  2 done")
    assert second.startswith("price  3 done")
    assert last == "\x1b[K"


def test_a_short_run_shows_nothing() -> None:
    out = _Terminal()
    line = ProgressLine(out)
    line(at(1, 0.5))
    line(at(2, 5.0, ended=True))
    assert out.getvalue() == ""


def test_elsewhere_a_line_comes_now_and_then() -> None:
    out = io.StringIO()
    line = ProgressLine(out)
    for tenth in range(10, 250):
        line(at(tenth, tenth / 10))
    line(at(250, 25.0, ended=True))

    written = out.getvalue().splitlines()
    assert [text.split("  ")[1] for text in written] == ["10 done", "110 done", "210 done", "250 done"]


def test_a_program_that_has_loaded_the_kernel_is_no_notebook(capfd: pytest.CaptureFixture[str]) -> None:
    importlib.import_module("ipykernel")
    assert sleepy.map(x=[1], seconds=[1.2]).run(runtime="inline") == [1]
    line = ProgressLine()
    line(at(1, 1.1))
    line(at(2, 1.2, ended=True))
    out, err = capfd.readouterr()
    assert out == ""
    assert [text.split("  ")[1] for text in err.splitlines()] == ["1 done", "2 done"]


def test_in_a_notebook_a_stream_that_is_given_is_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is shown below a cell is tested in a real one: tests/notebook."""
    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    out = io.StringIO()
    line = ProgressLine(out)
    line(at(1, 1.1))
    line(at(2, 1.2, ended=True))
    assert [text.split("  ")[1] for text in out.getvalue().splitlines()] == ["1 done", "2 done"]


def test_two_runs_do_not_draw_over_each_other() -> None:
    out = _Terminal()
    first, second = ProgressLine(out), ProgressLine(out)
    first(at(1, 1.1))
    second(at(77, 1.1))
    assert "77" not in out.getvalue()
    first(at(2, 1.2, ended=True))
    second(at(77, 1.3))
    second(at(78, 1.4, ended=True))
    assert "77" in out.getvalue()


def test_a_reader_that_is_gone_does_not_end_the_run() -> None:
    class Closed(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    line = ProgressLine(Closed())
    line(at(1, 1.1))
    line(at(2, 1.2, ended=True))


def test_nothing_is_shown_where_no_terminal_is(capfd: pytest.CaptureFixture[str]) -> None:
    before = threading.active_count()
    assert sleepy.map(x=[1], seconds=[1.2]).run(runtime="inline") == [1]
    assert capfd.readouterr().err == ""
    assert threading.active_count() == before


def test_bars_are_drawn_by_rich() -> None:
    out = io.StringIO()
    bars = ProgressBars(Console(file=out, force_terminal=True, width=100))
    bars(at(1, 0.5))
    assert out.getvalue() == ""
    bars(at(12, 1.5, total=48, stages=2))
    bars(at(24, 1.6, total=48, stages=2, deaths=1))
    bars(at(48, 1.7, total=48, stages=2, ended=True))

    assert "[1/2] price" in out.getvalue()
    assert "12/48" in out.getvalue()
    assert "24/48" in out.getvalue()
    assert "1 worker died" in out.getvalue()


SCRIPT = """
import sys, time
from daglite import task
@task
def nap(x: int) -> int:
    time.sleep(0.2)
    return x
def main():
    print(sum(nap.map(x=range(14)).run(workers=1{options})))
main()
"""


def on_terminal(script: str, stop_after: str | None = None) -> tuple[int, str]:
    """Run a script whose output is a terminal of 60 columns; Ctrl-C after some text has come."""
    outer, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 60, 0, 0))
    # A traceback in colours is harder to compare.
    env = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")} | {
        "PYTHON_COLORS": "0"
    }
    running = subprocess.Popen(
        [sys.executable, "-c", script], stdin=inner, stdout=inner, stderr=inner, cwd=ROOT, env=env,
        start_new_session=True,
    )  # fmt: skip
    os.close(inner)
    seen = b""
    try:
        while True:
            try:
                got = os.read(outer, 4096)
            except OSError:
                break
            if not got:
                break
            seen += got
            if stop_after is not None and stop_after.encode() in seen:
                os.killpg(running.pid, signal.SIGINT)
                stop_after = None
        return running.wait(timeout=60), seen.decode()
    finally:
        running.kill()
        running.wait()
        os.close(outer)


def screen(text: str) -> list[str]:
    """What a terminal shows after this text: enough of one for carriage returns and erased lines."""
    lines, column = [""], 0
    position = 0
    while position < len(text):
        if text.startswith("\x1b[K", position):
            lines[-1] = lines[-1][:column]
            position += 3
            continue
        letter = text[position]
        position += 1
        if letter == "\r":
            column = 0
        elif letter == "\n":
            lines.append("")
            column = 0
        else:
            lines[-1] = lines[-1][:column].ljust(column) + letter + lines[-1][column + 1 :]
            column += 1
    return [line for line in lines if line.strip()]


def test_a_long_run_on_a_terminal_shows_one_line_and_leaves_none() -> None:
    code, text = on_terminal(SCRIPT.format(options=""))

    assert code == 0
    assert "nap  " in text
    assert " of 14 (" in text
    assert screen(text) == ["91"]
    assert all(len(line) < 60 for part in text.split("\n") for line in part.replace("\x1b[K", "").split("\r"))


def test_a_terminal_is_clean_after_ctrl_c() -> None:
    code, text = on_terminal(SCRIPT.format(options=""), stop_after=" of 14 (")

    assert code != 0
    shown = screen(text)
    assert shown[-1] == "KeyboardInterrupt"
    assert not any(" of 14 (" in line for line in shown)


def test_progress_can_be_switched_off() -> None:
    code, text = on_terminal(SCRIPT.format(options=", progress=False"))
    assert (code, text) == (0, "91\r\n")


def test_a_run_inside_a_task_shows_nothing() -> None:
    """Its worker has the same terminal."""
    script = """
from daglite import task
import time
@task
def nap(x: int) -> int:
    time.sleep(0.3)
    return x
@task
def outer(x: int) -> int:
    return sum(nap.map(x=range(5)).run())
print(outer(x=1).run(workers=1, progress=False))
"""
    code, text = on_terminal(script)
    assert (code, text) == (0, "10\r\n")
