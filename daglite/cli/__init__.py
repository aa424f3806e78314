"""The command line: look at a pipeline, run it, look at the machine.

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

from daglite.cli.parser import COMPILE_OPTIONS, RUN_OPTIONS, parser
from daglite.cli.target import plan_of
from daglite.cli.values import UsageError
from daglite.exceptions import ParameterError
from daglite.lazy import lazy
from daglite.options import RunOptions, settings_of
from daglite.plan import Plan

if TYPE_CHECKING:
    from daglite.cli import doctor
    from daglite.runtime import engines
else:
    doctor, engines = lazy("daglite.cli.doctor"), lazy("daglite.runtime.engines")

__all__ = ["main"]

FAILED, USAGE, INTERRUPTED, PIPE_CLOSED = 1, 2, 130, 141


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the arguments say; the result is the exit code, apart from wrong options, at which argparse exits."""
    asked = parser().parse_args(argv)
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
    plan = plan_of(asked.target, asked.param, _given(asked, COMPILE_OPTIONS))
    text = plan.explain(asked.format)
    if asked.output is None:
        _emit(text)
    else:
        Path(asked.output).write_text(text + "\n", encoding="utf-8")
    return 0


def _run(asked: Namespace) -> int:
    options = cast("RunOptions", _given(asked, RUN_OPTIONS))
    try:
        engines.engine_of(settings_of(options))
    except ParameterError as error:
        raise UsageError(str(error)) from None
    plan: Plan[Any] = plan_of(asked.target, asked.param, _given(asked, COMPILE_OPTIONS))
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


def _doctor(asked: Namespace) -> int:
    healthy = True
    for line, well in doctor.examine(asked.workers):
        healthy = healthy and well
        _emit(line)
    return 0 if healthy else FAILED


_COMMANDS = {"explain": _explain, "run": _run, "doctor": _doctor}


class _PipeClosed(Exception):
    """Whoever read our output has gone."""


def _emit(text: str) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise _PipeClosed from None


def _given(asked: Namespace, names: Sequence[str]) -> dict[str, object]:
    """The options that were given, as opposed to left at their defaults."""
    return {name: getattr(asked, name) for name in names if getattr(asked, name) is not None}
