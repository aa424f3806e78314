"""The command line: look at a pipeline, run it, look at a run, look at the machine.

parser     what can be asked, and the help           target     what `module:name` stands for
values     texts as values of annotated types        doctor     what works here, measured
"""

from __future__ import annotations

import os
import sys
import traceback
from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from daglite.cli.parser import RUN_OPTIONS, parsed
from daglite.cli.target import plan_of
from daglite.cli.values import UsageError
from daglite.exceptions import ParameterError
from daglite.lazy import lazy
from daglite.plan import Plan
from daglite.run_options import COMPILE_OPTIONS, RunOptions, settings_of

if TYPE_CHECKING:
    import daglite.observe as observe
    from daglite.cli import doctor
    from daglite.observe import bars, page
    from daglite.runtime.engines import config as engines
else:
    bars, observe, page = lazy("daglite.observe.bars"), lazy("daglite.observe"), lazy("daglite.observe.page")
    doctor, engines = lazy("daglite.cli.doctor"), lazy("daglite.runtime.engines.config")

__all__ = ["main"]

FAILED, USAGE, INTERRUPTED, PIPE_CLOSED = 1, 2, 130, 141


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the arguments say; the result is the exit code, apart from wrong options, at which argparse exits."""
    asked = parsed(argv)
    try:
        return _COMMANDS[asked.command](asked)
    except UsageError as error:
        print(f"daglite {asked.command}: {error}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except _PipeClosed:
        # Python would try to write what is left once more on its way out, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except Exception:
        traceback.print_exc()
        return FAILED


def _explain(asked: Namespace) -> int:
    if asked.runtime is not None and asked.workers is None:
        raise UsageError("--runtime needs --workers: how many there are; nothing is asked of a cluster")
    plan = plan_of(asked.target, asked.param, _given(asked, COMPILE_OPTIONS))
    try:
        text = plan.explain(asked.format, runtime=asked.runtime, workers=asked.workers)
    except ParameterError as error:
        raise UsageError(str(error)) from None
    if asked.output is None:
        _emit(text)
    else:
        _write(asked.output, text)
    return 0


def _run(asked: Namespace) -> int:
    options = cast("RunOptions", _given(asked, RUN_OPTIONS))
    try:
        engines.engine_of(settings_of(options))
    except ParameterError as error:
        raise UsageError(str(error)) from None
    plan: Plan[Any] = plan_of(asked.target, asked.param, _given(asked, COMPILE_OPTIONS))
    try:
        observe.observers_of({"trace": options["trace"]} if "trace" in options else {}, interactive=False)
    except ParameterError as error:
        raise UsageError(str(error)) from None
    if asked.bars:
        options["progress"] = _bars()
    if not asked.report:
        return _print_values(plan, options)
    report = observe.Report()
    options["observers"] = [report]
    try:
        return _print_values(plan, options)
    finally:
        # Of a run that has begun.
        if report.seconds:
            print(report, file=sys.stderr)


def _bars() -> bars.ProgressBars:
    try:
        return bars.ProgressBars()
    except ModuleNotFoundError as error:
        raise UsageError(f"--bars needs the extra daglite[rich]: {error}") from None


def _print_values(plan: Plan[Any], options: RunOptions) -> int:
    for value in _values(plan, options):
        # As in an interactive Python: None is no news. A text is printed as it is, so that it can be passed on.
        if value is not None:
            _emit(value if isinstance(value, str) else repr(value))
    return 0


def _values(plan: Plan[Any], options: RunOptions) -> Iterator[object]:
    """The value of a plan, or its items as they come, for whatever number of them."""
    if not plan.program.streams:
        yield plan.run(**options)
        return
    with plan.stream(**options) as items:
        yield from items


def _timeline(asked: Namespace) -> int:
    try:
        text = page.page(Path(asked.trace).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, page.TraceError) as error:
        raise UsageError(f"{asked.trace}: {error}") from None
    if asked.output is None:
        _emit(text)
    else:
        _write(asked.output, text)
    return 0


def _doctor(asked: Namespace) -> int:
    healthy = True
    for line, well in doctor.examine(asked.workers):
        healthy = healthy and well
        _emit(line)
    return 0 if healthy else FAILED


_COMMANDS = {"explain": _explain, "run": _run, "timeline": _timeline, "doctor": _doctor}


class _PipeClosed(Exception):
    """Whoever read our output has gone."""


def _emit(text: str) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise _PipeClosed from None


def _write(name: str, text: str) -> None:
    try:
        Path(name).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{name!r} cannot be written: {error.strerror}") from None


def _given(asked: Namespace, names: Sequence[str]) -> dict[str, object]:
    """The options that were given, as opposed to left at their defaults."""
    return {name: getattr(asked, name) for name in names if getattr(asked, name) is not None}
