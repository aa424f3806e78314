"""The command line: explain a pipeline, run it, draw the times of a run, check the machine.

parser     the arguments and their help              target     the object that `module:name` names, as a plan
values     texts as values of annotated types        doctor     the checks of the machine, with measurements
"""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from argparse import Namespace
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from daglite.cli.parser import parsed
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
# The options of a run that the command line has.
_RUN_OPTIONS = [name for name in RunOptions.__annotations__ if name != "observers"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; argparse itself exits where the arguments are wrong."""
    arguments = parsed(argv)
    try:
        return _COMMANDS[arguments.command](arguments)
    except UsageError as error:
        print(f"daglite {arguments.command}: {error}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except _PipeClosed:
        # Python would write the rest of the output again at its exit, and report another error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except Exception:
        traceback.print_exc()
        return FAILED


def _explain(arguments: Namespace) -> int:
    if arguments.runtime is not None and arguments.workers is None:
        raise UsageError("--runtime needs --workers: how many there are; nothing is asked of a cluster")
    plan = plan_of(arguments.target, arguments.param, _given(arguments, COMPILE_OPTIONS))
    with _as_usage_error():
        text = plan.explain(arguments.format, runtime=arguments.runtime, workers=arguments.workers)
    return _output(text, arguments.output)


def _run(arguments: Namespace) -> int:
    options = cast("RunOptions", _given(arguments, _RUN_OPTIONS))
    with _as_usage_error():
        engines.engine_of(settings_of(options))
    plan: Plan[Any] = plan_of(arguments.target, arguments.param, _given(arguments, COMPILE_OPTIONS))
    with _as_usage_error():
        observe.observers_of({"trace": options["trace"]} if "trace" in options else {}, interactive=False)
    if arguments.bars:
        try:
            options["progress"] = bars.ProgressBars()
        except ModuleNotFoundError as error:
            raise UsageError(f"--bars needs the extra daglite[rich]: {error}") from None
    report = observe.Report() if arguments.report else None
    if report is not None:
        options["observers"] = [report]
    try:
        for value in _values(plan, options):
            # As an interactive Python does: None is not printed. Nor is a text quoted, so that it can be piped.
            if value is not None:
                _print(value if isinstance(value, str) else repr(value))
    finally:
        # Unless the run has not begun.
        if report is not None and report.seconds:
            print(report, file=sys.stderr)
    return 0


def _values(plan: Plan[Any], options: RunOptions) -> Iterator[object]:
    """Yield the value of a plan, or the items of a stream as they come."""
    if not plan.program.streams:
        yield plan.run(**options)
        return
    with plan.stream(**options) as items:
        yield from items


def _timeline(arguments: Namespace) -> int:
    try:
        text = page.page(Path(arguments.trace).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, page.TraceError) as error:
        raise UsageError(f"{arguments.trace}: {error}") from None
    return _output(text, arguments.output)


def _doctor(arguments: Namespace) -> int:
    healthy = True
    for line, works in doctor.examine(arguments.workers):
        healthy = healthy and works
        _print(line)
    return 0 if healthy else FAILED


_COMMANDS = {"explain": _explain, "run": _run, "timeline": _timeline, "doctor": _doctor}


class _PipeClosed(Exception):
    """The reader of the output has closed it."""


@contextlib.contextmanager
def _as_usage_error() -> Iterator[None]:
    try:
        yield
    except ParameterError as error:
        raise UsageError(str(error)) from None


def _output(text: str, file: str | None) -> int:
    """Print a text, or write it to a file."""
    if file is None:
        _print(text)
        return 0
    try:
        Path(file).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{file!r} cannot be written: {error.strerror}") from None
    return 0


def _print(text: str) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise _PipeClosed from None


def _given(arguments: Namespace, names: Iterable[str]) -> dict[str, object]:
    """Return the options that were given."""
    return {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
