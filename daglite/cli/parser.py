"""What can be asked on the command line, and what `--help` says about it."""

from __future__ import annotations

import importlib.metadata
from argparse import ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter, _SubParsersAction
from collections.abc import Sequence
from typing import NoReturn, TypeAlias, get_args

from daglite.explain import ExplainFormat
from daglite.functions import suggest
from daglite.options import RENAMED, Limits, RuntimeName, StartMethod, is_cluster

# The names under which the options of a run are found after parsing, beside those of `compile`; None: not given.
RUN_OPTIONS = (
    "runtime",
    "workers",
    "start_method",
    "worker_retries",
    "max_items_per_worker",
    "seed",
    "max_failures",
    "store",
    "progress",
    "trace",
)

_DESCRIPTION = """\
Look at a pipeline, run it, look at the machine.

A TARGET is module:name or file.py:name. What stands there is a pipeline (a
future), a plan, or a task or function that gives one; --param fills the
parameters of the latter, as their annotations say.
"""

_EPILOG = """\
examples:
  daglite explain orders.py:pipeline
  daglite run shop.orders:build --param path=orders.csv --param limit=10
  daglite timeline run.json -o run.html
  daglite doctor

exit codes: 0 done, 1 the pipeline or the module failed, 2 the command line is
wrong, 130 interrupted, 141 the reader of the output has gone.
"""

_EXPLAIN = """\
Print what would run, without running it.

  text     one page: a line for each step, then the rules that fired
  verbose  nothing left out: every step, every rule with its law, the limits
  source   the loops that run, as Python
  json     as data; its schema is in the documentation
  mermaid  a flowchart for Mermaid        dot  a graph for Graphviz
  html     one page with a picture, for light and dark and for paper
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

The items of a pipeline that ends in items are printed as they come, one a
line. A text is printed as it is, None not at all, anything else as Python
would write it. Errors go to the error output.
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
Draw the times of a run as one HTML page: a lane for the source, the
coordinator and each worker, and where they wait. Perfetto and
chrome://tracing show the same file in more detail.
"""

_TIMELINE_EPILOG = """\
examples:
  daglite run orders.py:pipeline --trace run.json
  daglite timeline run.json -o run.html
"""

_DOCTOR = """\
Tell what works on this machine: versions, processors, the ways to start
workers and which of them `auto` takes, and what a start and an item cost for
each runtime, measured now. Takes some seconds. Exits with 1 if something does
not work.
"""


class _Parser(ArgumentParser):
    """Tells in one line what is wrong; the usage would hide it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see `{self.prog} --help`)\n")


_Commands: TypeAlias = "_SubParsersAction[_Parser]"


def parsed(argv: Sequence[str] | None) -> Namespace:
    """What is asked; exits with code 2, and a line on the error output, where that cannot be read."""
    parser, commands = _parser()
    asked, unknown = parser.parse_known_args(argv)
    if unknown:
        command = commands.choices[asked.command]
        strange = next((one for one in unknown if one[0] == "-"), None)
        if strange is None:
            command.error(f"it has no place for another argument; got {unknown[0]!r}")
        name = strange.partition("=")[0]
        former = RENAMED.get(name.removeprefix("--").replace("-", "_"))
        if former is not None:
            command.error(f"option '{name}' is now called '--{former.replace('_', '-')}'")
        known = [option for action in command._actions for option in action.option_strings]
        command.error(f"there is no option '{name}'{suggest(name, known)}")
    return asked


def _parser() -> tuple[_Parser, _Commands]:
    made = _Parser(
        prog="daglite", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=RawDescriptionHelpFormatter
    )
    made.add_argument("--version", action="version", version=f"daglite {importlib.metadata.version('daglite')}")
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_explain(commands)
    _add_run(commands)
    _add_timeline(commands)
    doctor = _command(commands, "doctor", "tell what works on this machine, and what it costs", _DOCTOR, None)
    doctor.add_argument("--workers", type=_count, metavar="N", help="how many workers (default: usable processors)")
    return made, commands


def _add_explain(commands: _Commands) -> None:
    made = _command(commands, "explain", "print what would run", _EXPLAIN, _EXPLAIN_EPILOG)
    _add_target(made)
    made.add_argument(
        "-f", "--format", choices=get_args(ExplainFormat), default="text", metavar="FORMAT", help="default: text"
    )
    made.add_argument("-o", "--output", metavar="FILE", help="write there instead of printing")
    made.add_argument(
        "--workers", type=_count, metavar="N", help="tell whether the coordinator can keep so many workers busy"
    )
    made.add_argument("--runtime", type=_runtime, metavar="NAME", help="workers of which runtime (default: processes)")
    _add_compile_options(made)


def _add_run(commands: _Commands) -> None:
    made = _command(commands, "run", "run a pipeline and print its value", _RUN, _RUN_EPILOG)
    _add_target(made)
    options = made.add_argument_group("options of the run")
    runtimes, methods = get_args(RuntimeName), get_args(StartMethod)
    options.add_argument(
        "--runtime",
        type=_runtime,
        metavar="NAME",
        help=f"{_either(runtimes)}; clusters: dask, dask://host:port, ray",
    )
    options.add_argument("--workers", type=_count, metavar="N", help="how many workers (default: as suits the runtime)")
    options.add_argument("--start-method", choices=methods, metavar="NAME", help=f"{_either(methods)}")
    options.add_argument(
        "--worker-retries", type=_number, metavar="N", help="starts of an item more when its worker died (default: 2)"
    )
    options.add_argument(
        "--max-items-per-worker", type=_count, metavar="N", help="replace a worker after so many items"
    )
    options.add_argument("--seed", type=int, metavar="N", help="what the seeds of items come from (default: 0)")
    options.add_argument(
        "--max-failures", type=_number, metavar="N", help="how many items may fail at tasks that go on (default: any)"
    )
    options.add_argument("--store", metavar="FOLDER", help="where saves go (default: daglite_data)")
    _add_watching(made)
    _add_compile_options(made)


def _add_watching(made: ArgumentParser) -> None:
    watching = made.add_argument_group("watching the run")
    shown = watching.add_mutually_exclusive_group()
    shown.add_argument(
        "--progress",
        action="store_const",
        const=True,
        help="show how far it is (default: on a terminal, after a second)",
    )
    shown.add_argument("--no-progress", dest="progress", action="store_const", const=False, help="never show it")
    shown.add_argument("--bars", action="store_true", help="show it as bars; needs the extra daglite[rich]")
    watching.add_argument(
        "--report", action="store_true", help="tell on the error output what every step and worker did"
    )
    watching.add_argument("--trace", metavar="FILE", help="write the times of all batches, for `daglite timeline`")


def _add_timeline(commands: _Commands) -> None:
    made = _command(commands, "timeline", "draw what `run --trace` has written", _TIMELINE, _TIMELINE_EPILOG)
    made.add_argument("trace", metavar="TRACE", help="a file that `--trace` or `trace=` has written")
    made.add_argument("-o", "--output", metavar="FILE", help="write the page there instead of printing it")


def _command(commands: _Commands, name: str, summary: str, description: str, epilog: str | None) -> ArgumentParser:
    return commands.add_parser(
        name, help=summary, description=description, epilog=epilog, formatter_class=RawDescriptionHelpFormatter
    )


def _add_target(made: ArgumentParser) -> None:
    made.add_argument("target", metavar="TARGET", help="module:name or file.py:name")
    made.add_argument(
        "-p",
        "--param",
        action="append",
        default=[],
        type=_pair,
        metavar="NAME=VALUE",
        help="a parameter of the task or function; may be given several times",
    )


def _add_compile_options(made: ArgumentParser) -> None:
    options = made.add_argument_group("options of compile")
    options.add_argument(
        "--no-optimize", dest="optimize", action="store_const", const=False, help="apply no rewrite rule"
    )
    options.add_argument(
        "--max-in-flight",
        type=_count,
        metavar="N",
        help=f"most items in flight (default: {Limits().per_worker} for each worker)",
    )
    options.add_argument(
        "--max-in-flight-bytes",
        type=_count,
        metavar="N",
        help="most bytes of items and results in flight (default: 64 MiB)",
    )
    options.add_argument(
        "--max-batch-size",
        type=_count,
        metavar="N",
        help=f"most items in one message (default: {Limits().max_batch_size})",
    )
    options.add_argument(
        "--no-helper-thread",
        dest="helper_thread",
        action="store_const",
        const=False,
        help="keep folds and saves on the main thread",
    )
    options.add_argument(
        "--check-types", action="store_const", const=True, help="compare the annotations of neighbouring tasks first"
    )


def _either(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[1:])} or {names[0]} (default)"


def _pair(text: str) -> tuple[str, str]:
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


def _count(text: str) -> int:
    return _whole(text, 1)


def _number(text: str) -> int:
    return _whole(text, 0)


def _whole(text: str, least: int) -> int:
    try:
        found = int(text)
    except ValueError:
        found = least - 1
    if found < least:
        raise ArgumentTypeError(f"must be a whole number >= {least}; got {text!r}")
    return found
