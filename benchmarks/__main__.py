"""The command: `python -m benchmarks [--rounds N] [--quick] [--only WORKLOAD] [--json FILE] [--picture FILE]`."""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

from benchmarks.catalogue import MODULES, workload
from benchmarks.pairs import WORSE, in_pairs
from benchmarks.picture import picture
from benchmarks.published import publish
from benchmarks.results import Machine, Report, Table, table_of
from benchmarks.shape import Facts
from benchmarks.table import heading, table_text, targets_text
from benchmarks.turns import Probe, in_turns, probing
from benchmarks.workloads.busy import calibrated

__all__ = ["main"]

LIBRARIES = ("daglite", "dill", "joblib", "mpire", "multiprocess", "numpy", "streamable")
BUILD = Path(__file__).parent.parent / "build"


def machine() -> Machine:
    """What the figures depend on; nothing that says whose machine it is."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    system = f"{platform.system()} {platform.machine()}"
    return Machine(len(os.sched_getaffinity(0)), platform.python_version(), system, versions)


def measure(names: Sequence[str], rounds: int, quick: bool) -> Report:
    """All of it; each table is printed when it is there."""
    report = Report(datetime.date.today().isoformat(), rounds, quick, machine(), [])
    print(heading(report), flush=True)
    with probing(Facts(calibrated())) as probe:
        for name in names:
            report.tables.append(_measured(name, report, probe))
            _say("")
            print(f"\n{table_text(report.tables[-1])}", flush=True)
    return report


def compare(names: Sequence[str], other: Path, pairs: int, quick: bool) -> int:
    """Print how many times as good each row of daglite is here as in the other checkout; 1 when a row is worse."""
    facts, worse = Facts(calibrated()), False
    print(f"median of {pairs} pairs, this checkout / the other one (above 1: better here)", flush=True)
    with probing(facts) as here, probing(facts, other) as there:
        for row in in_pairs(names, here, there, pairs, quick, _say):
            _say("")
            print(row.text, flush=True)
            worse = worse or not row.ratios or median(row.ratios) < WORSE
    return 1 if worse else 0


def _measured(name: str, report: Report, probe: Probe) -> Table:
    found = workload(name)
    return table_of(found, in_turns(found, report.rounds, report.quick, probe, _say))


def _say(text: str) -> None:
    """Which one is at work, where somebody looks on."""
    if sys.stderr.isatty():
        print(f"\r{text:70.70}\r", end="", file=sys.stderr, flush=True)


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure daglite beside its peers, in turns."
    )
    made.add_argument("--rounds", type=int, default=None, help="how often each is measured (5; with --quick 1)")
    made.add_argument("--quick", action="store_true", help="fewer items: a look, not a measurement")
    made.add_argument("--only", action="append", choices=list(MODULES), metavar="WORKLOAD", help=", ".join(MODULES))
    made.add_argument("--json", type=Path, default=BUILD / "benchmarks.json", help="where the results go")
    made.add_argument("--picture", type=Path, default=BUILD / "benchmarks.svg", help="where the picture goes")
    made.add_argument("--read", type=Path, help="do not measure: show and draw the results in this file")
    made.add_argument("--against", type=Path, metavar="CHECKOUT", help="compare with another checkout, pair by pair")
    made.add_argument("--publish", action="store_true", help="put results and picture into the docs as well")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 1 when daglite fails somewhere."""
    given = parser().parse_args(arguments)
    if given.against is not None:
        pairs = given.rounds if given.rounds is not None else 1 if given.quick else 9
        return compare(given.only or list(MODULES), given.against.resolve(), pairs, given.quick)
    if given.read is not None:
        report = Report.from_json(given.read.read_text(encoding="utf-8"))
        print("\n\n".join([heading(report), *map(table_text, report.tables)]))
    else:
        rounds = given.rounds if given.rounds is not None else 1 if given.quick else 5
        report = measure(given.only or list(MODULES), max(1, rounds), given.quick)
        _write(given.json, report.to_json())
    print(f"\n{targets_text(report)}")
    _write(given.picture, picture(report))
    if given.publish:
        publish(report)
    failed = [row for table in report.tables for row in table.rows if row.kind == "daglite" and row.failed]
    return 1 if failed else 0


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print(f"\nwritten: {path}" if sys.stdout.isatty() else "", end="")


if __name__ == "__main__":
    raise SystemExit(main())
