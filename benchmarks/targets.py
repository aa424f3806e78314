"""What daglite is to reach, as figures of a report; ratios where the machine would decide otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from benchmarks.results import Report, Row, Table
from benchmarks.shape import WORKERS

__all__ = ["TARGETS", "Target", "Verdict", "verdicts"]

Look = Callable[[Report], float | None]


class Target(NamedTuple):
    """A figure and the bound it has to keep: at least, or at most."""

    text: str
    look: Look
    least: float | None = None
    most: float | None = None


class Verdict(NamedTuple):
    """A target beside what was found; None when it was not measured."""

    text: str
    wanted_text: str
    found: float | None
    met: bool | None

    @property
    def word(self) -> str:
        """For the table."""
        return "not measured" if self.met is None else "met" if self.met else "MISSED"


def verdicts(report: Report) -> Iterator[Verdict]:
    """All targets, in order."""
    for target in TARGETS:
        found = target.look(report)
        if target.least is not None:
            wanted, met = f">= {target.least:g}", found is not None and found >= target.least
        else:
            assert target.most is not None, target.text
            wanted, met = f"<= {target.most:g}", found is not None and found <= target.most
        yield Verdict(target.text, wanted, found, None if found is None else met)


def _found(report: Report, workload: str, contestant: str) -> tuple[Table, Row] | None:
    table = report.table(workload)
    row = table.row(contestant) if table is not None else None
    return (table, row) if table is not None and row is not None else None


def figure(workload: str, contestant: str = "daglite") -> Look:
    """The figure itself."""

    def look(report: Report) -> float | None:
        found = _found(report, workload, contestant)
        return found[1].figure if found else None

    return look


def extra(workload: str, name: str, contestant: str = "daglite") -> Look:
    """A figure that stands beside it."""

    def look(report: Report) -> float | None:
        found = _found(report, workload, contestant)
        return found[1].extras.get(name) if found else None

    return look


def against(workload: str, contestant: str, *others: str) -> Look:
    """How many times as good as the best of the others."""

    def look(report: Report) -> float | None:
        found = _found(report, workload, contestant)
        if found is None:
            return None
        table, row = found
        ratios = [table.ratio(row, other) for name in others if (other := table.row(name)) is not None]
        return min((ratio for ratio in ratios if ratio is not None), default=None)

    return look


def taken(workload: str, contestant: str) -> Look:
    """The seconds of it."""

    def look(report: Report) -> float | None:
        found = _found(report, workload, contestant)
        return found[1].seconds if found else None

    return look


def processor_against(workload: str, contestant: str, other: str) -> Look:
    """Processor time, by that of another contestant."""

    def look(report: Report) -> float | None:
        found, beside = _found(report, workload, contestant), _found(report, workload, other)
        if found is None or beside is None or not beside[1].processor:
            return None
        return found[1].processor / found[1].items / (beside[1].processor / beside[1].items)

    return look


def _beyond_window(report: Report) -> float | None:
    """The largest lead of any of daglite's rows, by the window that its plan prints."""
    table = report.table("ahead")
    rows = [row for row in table.rows if row.absent is None and "printed" in row.extras] if table else []
    return max((row.figure / row.extras["printed"] for row in rows), default=None)


def level(workload: str, *without: str) -> Look:
    """The worst of the rows by the best; some rows left out."""

    def look(report: Report) -> float | None:
        table = report.table(workload)
        rows = [row for row in table.rows if row.absent is None and row.contestant not in without] if table else []
        figures = [row.figure for row in rows]
        return min(figures) / max(figures) if len(figures) > 1 and max(figures) else None

    return look


def _auto(report: Report) -> float | None:
    """Where runtime="auto" comes off worst against the best of daglite's other runtimes."""
    ratios = []
    for table in report.tables:
        auto = table.row("daglite auto")
        if auto is None or table.name in ("memory", "ahead"):
            continue
        others = [row for row in table.rows if row.kind == "daglite" and row.absent is None and row is not auto]
        ratios += [
            ratio for other in others if "combine" not in other.contestant and (ratio := table.ratio(auto, other))
        ]
    return min(ratios, default=None)


BY_HAND = "fork + pipes, batch 1024"
TARGETS = (
    Target("1 inline, of the loop", against("inline", "daglite inline", "loop"), least=0.9),
    Target("2 trivial, of fork + pipes (2.6 of 4.1)", against("trivial", "daglite", BY_HAND), least=0.634),
    Target(
        "2 trivial, of imap with its best chunk",
        against("trivial", "daglite", "imap, chunk 256", "imap, chunk 1024"),
        least=1,
    ),
    Target("2 threads, efficiency", figure("threads", "daglite threads"), least=0.95),
    Target("3 one_ms, of shares by hand", against("one_ms", "daglite", "shares by hand"), least=0.95),
    Target("3 twenty_ms, of shares by hand", against("twenty_ms", "daglite", "shares by hand"), least=0.95),
    Target("3 one_ms, CPU of the loop's", processor_against("one_ms", "daglite", "loop"), most=1.1),
    Target("4 source ahead, of the printed window", _beyond_window, most=1),
    Target("4 memory, bytes an item more", figure("memory"), most=50),
    Target("4 slow head, peak MB", figure("slow_head"), most=64 * 1.048576 + 20),
    Target("5 arrays to the workers, GB/s", figure("arrays"), least=3),
    Target("5 arrays from the workers, GB/s", figure("arrays_back"), least=3),
    Target("6 start, whole process, ms", figure("start"), most=100),
    Target("6 start, import daglite, ms", extra("start", "import ms", "import daglite"), most=40),
    Target("7 skew, efficiency", figure("skew"), least=0.91),
    Target("7 latency, median ms", figure("latency"), most=0.6),
    Target("7 latency, max ms", extra("latency", "max ms"), most=10),
    Target("12 places, of parse alone", against("places", "daglite", "parse alone"), least=0.9),
    Target("8 argument of 10 MB, transfers", figure("argument"), most=WORKERS),
    Target("8 closure of 10 MB, transfers", figure("closure"), most=WORKERS),
    Target("9 compile 10,000 nodes, s", taken("nodes", "10,000 nodes"), most=1),
    Target("9 a node of 10,000, as good as one of 1,000", against("nodes", "10,000 nodes", "1,000 nodes"), least=0.7),
    Target("9 an item of 1 M, as good as one of 200 k", against("length", "many items", "some items"), least=0.9),
    Target("9 workers 1 to 8, trivial, worst by best", level("workers"), least=0.9),
    Target("9 workers 2 to 8, 1 ms, worst by best", level("workers_one_ms", "1 worker"), least=0.9),
    Target("10 auto, of the best runtime, at worst", _auto, least=0.9),
    Target("11 combine, of fork + pipes", against("trivial", "daglite, combine", BY_HAND), least=1),
    Target("12 trace at 1 ms items, times the CPU", figure("trace", "daglite, trace"), most=1.05),
)
