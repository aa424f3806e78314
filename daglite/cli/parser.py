"""The arguments of the command line, and their help."""

from __future__ import annotations

import importlib.metadata
from argparse import (
    ArgumentParser,
    ArgumentTypeError,
    Namespace,
    RawDescriptionHelpFormatter,
    _ActionsContainer,
    _SubParsersAction,
)
from collections.abc import Callable, Sequence
from typing import NoReturn, TypeAlias, get_args

from daglite.explain import ExplainFormat
from daglite.functions import suggest
from daglite.options import RENAMED, Limits, RuntimeName, StartMethod, is_cluster

_DESCRIPTION = """\
Explain a pipeline, run it, draw the times of a run, check the machine.

A TARGET is module:name or file.py:name, the name of a pipeline (a future), of
a plan, or of a task or function that returns one; --param sets the parameters
of the latter, converted as their annotations say.
"""

_EPILOG = """\
examples:
  daglite explain orders.py:pipeline
  daglite run shop.orders:build --param path=orders.csv --param limit=10
  daglite timeline run.json -o run.html
  daglite doctor

exit codes: 0 success, 1 the pipeline or the module failed, 2 wrong arguments,
130 interrupted, 141 the reader of the output has closed it.
"""

_EXPLAIN = """\
Print the plan of a pipeline without running it.

  text     one page: a line for each step, then the rules that fired
  verbose  everything: every step, every rule with its law, the limits
  source   the generated loops, as Python
  json     as data; the documentation has the schema
  mermaid  a flowchart for Mermaid        dot  a graph for Graphviz
  html     one page with a picture, for light, dark and paper
"""

_EXPLAIN_EPILOG = """\
examples:
  daglite explain orders.py:pipeline
  daglite explain orders.py:pipeline --no-optimize --format verbose
  daglite explain orders.py:pipeline --format html -o plan.html
  daglite explain orders.py:pipeline --format dot | dot -Tsvg > plan.svg
  daglite explain orders.py:pipeline --runtime dask --workers 1000
"""

_RUN = """\
Run a pipeline and print its value.

The items of a stream are printed as they come, one on each line. A text is
printed as it is, None not at all, any other value as Python writes it. Errors
go to standard error.
"""

_RUN_EPILOG = """\
examples:
  daglite run orders.py:pipeline
  daglite run orders.py:build --param path=orders.csv --param 'tags=["a", "b"]'
  daglite run orders.py:pipeline --workers 8 --store results
  daglite run orders.py:pipeline --runtime inline      (to debug with print)
  daglite run orders.py:pipeline --report --trace run.json
"""

_TIMELINE = """\
Draw the times of a run as one HTML page: a lane for the source, for the
coordinator and for each worker, with their waits. Perfetto and
chrome://tracing show the same file in more detail.
"""

_TIMELINE_EPILOG = """\
examples:
  daglite run orders.py:pipeline --trace run.json
  daglite timeline run.json -o run.html
"""

_DOCTOR = """\
Check this machine: versions, processors, start methods of workers, the one
that `auto` takes, and the cost of a start and of an item on each runtime,
measured now. Takes some seconds. Exits with 1 if something does not work.
"""


class _Parser(ArgumentParser):
    """A parser that reports an error in one line, which the usage would hide."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see `{self.prog} --help`)\n")


_Commands: TypeAlias = "_SubParsersAction[_Parser]"


def parsed(argv: Sequence[str] | None) -> Namespace:
    """Return the arguments; exit with code 2 and a line on standard error where they are wrong.

    Options of a run and of compile that were not given are None.
    """
    parser, commands = _parser()
    found, unknown = parser.parse_known_args(argv)
    if unknown:
        command = commands.choices[found.command]
        option = next((one for one in unknown if one[0] == "-"), None)
        if option is None:
            command.error(f"it has no place for another argument; got {unknown[0]!r}")
        name = option.partition("=")[0]
        now = RENAMED.get(name.removeprefix("--").replace("-", "_"))
        if now is not None:
            command.error(f"option '{name}' is now called '--{now.replace('_', '-')}'")
        known = [option for action in command._actions for option in action.option_strings]
        command.error(f"there is no option '{name}'{suggest(name, known)}")
    return found


def _parser() -> tuple[_Parser, _Commands]:
    made = _Parser(
        prog="daglite", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=RawDescriptionHelpFormatter
    )
    made.add_argument("--version", action="version", version=f"daglite {importlib.metadata.version('daglite')}")
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_explain(commands)
    _add_run(commands)
    timeline = _command(commands, "timeline", "draw the file that `run --trace` wrote", _TIMELINE, _TIMELINE_EPILOG)
    timeline.add_argument("trace", metavar="TRACE", help="a file that `--trace` or `trace=` has written")
    timeline.add_argument("-o", "--output", metavar="FILE", help="write the page to FILE instead of printing it")
    doctor = _command(commands, "doctor", "check this machine and measure costs", _DOCTOR, None)
    _add_number(doctor, "--workers", "number of workers (default: usable processors)")
    return made, commands


def _add_explain(commands: _Commands) -> None:
    made = _command(commands, "explain", "print the plan of a pipeline", _EXPLAIN, _EXPLAIN_EPILOG)
    _add_target(made)
    formats = get_args(ExplainFormat)
    made.add_argument("-f", "--format", choices=formats, default="text", metavar="FORMAT", help="default: text")
    made.add_argument("-o", "--output", metavar="FILE", help="write to FILE instead of printing")
    _add_number(made, "--workers", "say whether the coordinator can keep N workers busy")
    made.add_argument("--runtime", type=_runtime, metavar="NAME", help="the runtime of --workers (default: processes)")
    _add_compile_options(made)


def _add_run(commands: _Commands) -> None:
    made = _command(commands, "run", "run a pipeline and print its value", _RUN, _RUN_EPILOG)
    _add_target(made)
    options = made.add_argument_group("options of the run")
    runtimes, methods = get_args(RuntimeName), get_args(StartMethod)
    clusters = "clusters: dask, dask://host:port, ray"
    options.add_argument("--runtime", type=_runtime, metavar="NAME", help=f"{_choices_text(runtimes)}; {clusters}")
    _add_number(options, "--workers", "number of workers (default: depends on the runtime)")
    options.add_argument("--start-method", choices=methods, metavar="NAME", help=_choices_text(methods))
    _add_number(options, "--worker-retries", "retries of an item whose worker died (default: 2)", least=0)
    _add_number(options, "--max-items-per-worker", "replace a worker after N items")
    options.add_argument("--seed", type=int, metavar="N", help="seed of the seeds of items (default: 0)")
    _add_number(options, "--max-failures", "most items that may fail at tasks with on_error (default: any)", least=0)
    options.add_argument("--store", metavar="FOLDER", help="the folder of saves (default: daglite_data)")
    observing = made.add_argument_group("observing the run")
    progress = observing.add_mutually_exclusive_group()
    _add_switch(progress, "--progress", True, "show progress (default: on a terminal, after a second)")
    _add_switch(progress, "--no-progress", False, "never show progress")
    progress.add_argument("--bars", action="store_true", help="show progress as bars; needs the extra daglite[rich]")
    observing.add_argument("--report", action="store_true", help="print counts and times of steps and workers")
    observing.add_argument("--trace", metavar="FILE", help="write the times of all batches, for `daglite timeline`")
    _add_compile_options(made)


def _add_compile_options(made: ArgumentParser) -> None:
    options, limits = made.add_argument_group("options of compile"), Limits()
    _add_switch(options, "--no-optimize", False, "apply no rewrite rule")
    _add_number(options, "--max-in-flight", f"most items in flight (default: {limits.per_worker} for each worker)")
    _add_number(options, "--max-in-flight-bytes", "most bytes of items and results in flight (default: 64 MiB)")
    _add_number(options, "--max-batch-size", f"most items in one message (default: {limits.max_batch_size})")
    _add_switch(options, "--no-helper-thread", False, "keep folds and saves on the main thread")
    _add_switch(options, "--check-types", True, "compare the annotations of neighbouring tasks first")


def _command(commands: _Commands, name: str, summary: str, description: str, epilog: str | None) -> ArgumentParser:
    return commands.add_parser(
        name, help=summary, description=description, epilog=epilog, formatter_class=RawDescriptionHelpFormatter
    )


def _add_target(made: ArgumentParser) -> None:
    made.add_argument("target", metavar="TARGET", help="module:name or file.py:name")
    text = "a parameter of the task or function; may be given several times"
    made.add_argument(
        "-p", "--param", action="append", default=[], type=_name_and_value, metavar="NAME=VALUE", help=text
    )


def _add_number(group: _ActionsContainer, name: str, text: str, *, least: int = 1) -> None:
    group.add_argument(name, type=_whole_number(least), metavar="N", help=text)


def _add_switch(group: _ActionsContainer, name: str, value: bool, text: str) -> None:
    """Add an option that sets `value`; `--no-x` and `--x` set the same."""
    dest = name.removeprefix("--").removeprefix("no-").replace("-", "_")
    group.add_argument(name, dest=dest, action="store_const", const=value, help=text)


def _choices_text(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[1:])} or {names[0]} (default)"


def _name_and_value(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise ArgumentTypeError(f"must be NAME=VALUE; got {text!r}")
    return name.strip(), value


def _runtime(text: str) -> str:
    names = get_args(RuntimeName)
    if text not in names and not is_cluster(text):
        raise ArgumentTypeError(
            f"invalid choice: {text!r} (choose from {', '.join(names)}, dask, dask://host:port, ray)"
        )
    return text


def _whole_number(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        try:
            found = int(text)
        except ValueError:
            found = least - 1
        if found < least:
            raise ArgumentTypeError(f"must be a whole number >= {least}; got {text!r}")
        return found

    return number
