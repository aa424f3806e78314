"""Count syntax nodes: parse every module of the standard library on worker processes.

python examples/census.py                           the standard library of the running interpreter
python examples/census.py --folder daglite --once   another folder, and no comparison with a sequential run
python examples/census.py --dask                    the same plan on a Dask cluster that is started for it
python examples/census.py --dask host:8786          on an existing one, whose workers see the same folders
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import heapq
import os
import sysconfig
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from typing_extensions import Unpack

import daglite
from daglite import Plan, task
from daglite.run_options import RunOptions
from daglite.runtime import Dask

# Folders of installed packages, which are not part of the standard library.
FOREIGN = {"site-packages", "dist-packages"}
# Errors of files that cannot be parsed. The standard library has such files to test its own parser.
UNREADABLE = (OSError, SyntaxError, ValueError, RecursionError, MemoryError)
SHOWN = 5


class LongFunction(NamedTuple):
    """A function and its location; the longest compares greatest."""

    lines: int
    path: str
    line: int
    name: str


@dataclass
class FileCount:
    """Counts of one file; small, because it is sent from a worker to the coordinator."""

    path: str
    readable: bool = False
    functions: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    identifiers: dict[str, int] = field(default_factory=dict)
    longest: list[LongFunction] = field(default_factory=list)


@dataclass
class Report:
    """The sum over all files, independent of the order in which they were added."""

    files: int = 0
    functions: int = 0
    unreadable: set[str] = field(default_factory=set)
    kinds: Counter[str] = field(default_factory=Counter)
    identifiers: Counter[str] = field(default_factory=Counter)
    longest: list[LongFunction] = field(default_factory=list)


@task
def modules(folder: str) -> Iterator[str]:
    """Yield the path of each Python file below the folder, relative to it."""
    for path in sorted(Path(folder).rglob("*.py")):
        inside = path.relative_to(folder)
        if FOREIGN.isdisjoint(inside.parts) and path.is_file():
            yield str(inside)


@task
def examine(path: str, folder: str) -> FileCount:
    """Parse one file and count its nodes."""
    try:
        with warnings.catch_warnings():
            # Warnings about old escapes and the like concern the author of a file.
            warnings.simplefilter("ignore")
            tree = ast.parse(Path(folder, path).read_bytes())
    except UNREADABLE:
        return FileCount(path)
    nodes = list(ast.walk(tree))
    functions = [measured(node, path) for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return FileCount(
        path=path,
        readable=True,
        functions=len(functions),
        kinds=Counter(type(node).__name__ for node in nodes),
        identifiers=Counter(name for node in nodes if (name := identifier(node)) is not None),
        longest=heapq.nlargest(SHOWN, functions),
    )


def measured(node: ast.FunctionDef | ast.AsyncFunctionDef, path: str) -> LongFunction:
    """Measure a function from its `def` to its last line."""
    last = node.lineno if node.end_lineno is None else node.end_lineno
    return LongFunction(last - node.lineno + 1, path, node.lineno, node.name)


def identifier(node: ast.AST) -> str | None:
    """Return the name in a node: of a variable, an attribute, a parameter or a definition."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
            return name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return name
        case _:
            return None


@task
def merge(report: Report, file: FileCount) -> Report:
    """Add one file to the report, in place: each run folds into its own copy of `initial`."""
    report.files += 1
    if not file.readable:
        report.unreadable.add(file.path)
    report.functions += file.functions
    report.kinds.update(file.kinds)
    report.identifiers.update(file.identifiers)
    report.longest = heapq.nlargest(SHOWN, [*report.longest, *file.longest])
    return report


def census(folder: str) -> Plan[Report]:
    """Return the plan; it is unordered, because the report does not depend on the order of the files."""
    counts = modules.iter(folder=folder).then(examine, folder=folder)
    return daglite.compile(counts.reduce(merge, initial=Report(), ordered=False))


def table(report: Report) -> Iterator[str]:
    """Yield the lines of the report."""
    yield f"{report.files:,} files, {len(report.unreadable)} of them cannot be parsed"
    yield f"{report.kinds.total():,} syntax nodes of {len(report.kinds)} kinds: {frequent(report.kinds)}"
    yield f"{report.identifiers.total():,} identifiers, {len(report.identifiers):,} different:"
    yield f"    {frequent(report.identifiers)}"
    yield f"{report.functions:,} functions, the longest:"
    yield from (
        f"    {found.lines:,} lines: {found.name} ({found.path}, line {found.line})" for found in report.longest
    )


def frequent(counts: Counter[str]) -> str:
    """Return the most frequent names; equal ones in alphabetical order."""
    first = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:SHOWN]
    return ", ".join(f"{name} {number:,}" for name, number in first)


def megabytes(folder: str) -> float:
    """Return the size of all files. Reading them here keeps a cold disk out of the timed runs."""
    total = 0
    for path in modules.fn(folder):
        with contextlib.suppress(OSError):
            total += len(Path(folder, path).read_bytes())
    return total / 1e6


def timed(title: str, plan: Plan[Report], **options: Unpack[RunOptions]) -> tuple[Report, float]:
    """Run the plan with these options and print the time."""
    started = time.perf_counter()
    report = plan.run(**options)
    seconds = time.perf_counter() - started
    print(f"{title:12} {seconds:7.2f} s   {report.files / seconds:7,.0f} files/s", flush=True)
    return report, seconds


def compare(folder: str, workers: int, dask: str | None, *, once: bool) -> int:
    """Print the plan, the time with workers and without, and the report; return 1 when the two reports differ."""
    plan = census(folder)
    print(f"{plan.explain()}\n\n{megabytes(folder):.1f} MB of source in {folder}", flush=True)
    if dask is None:
        report, seconds = timed(f"{workers} workers", plan, workers=workers)
    else:
        # The number of workers applies to a cluster of its own.
        with Dask(dask) if dask else Dask(workers=workers) as cluster:
            report, seconds = timed("Dask", plan, runtime=cluster)
    same = True
    if not once:
        reference, sequential = timed("sequential", plan, runtime="inline")
        same = report == reference
        print(f"{'ratio':12} {sequential / seconds:7.2f}     {'equal reports' if same else 'THE REPORTS DIFFER'}")
    print("", *table(report), sep="\n")
    return 0 if same else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Count syntax nodes of Python source, on worker processes.")
    parser.add_argument("--folder", default=sysconfig.get_path("stdlib"), help="default: the standard library")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)), help="default: %(default)s")
    parser.add_argument("--dask", nargs="?", const="", metavar="HOST:PORT", help="on a Dask cluster (of its own)")
    parser.add_argument("--once", action="store_true", help="no sequential run to compare with")
    given = parser.parse_args(arguments)
    if not Path(given.folder).is_dir():
        parser.error(f"--folder must be an existing folder; got {given.folder!r}")
    return compare(str(Path(given.folder).resolve()), given.workers, given.dask, once=given.once)


if __name__ == "__main__":
    raise SystemExit(main())
