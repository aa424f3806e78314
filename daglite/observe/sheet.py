"""A report as a page of text: the table of `explain` with what was measured, the streams, the workers."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterator, Sequence

from daglite.explain import calls_of
from daglite.explain.columns import WIDTH, wrapped
from daglite.observe.amounts import bytes_text, count_text, seconds_text
from daglite.observe.measures import StepReport, StreamReport, WorkerReport
from daglite.program import Program
from daglite.short_repr import counted

# A longer table loses its middle.
_MOST = 40
# The column of the steps is folded to what the others leave of a page, but not to less.
_NARROW = 14
_MEASURED = (
    "in, out   items, counted in the coordinator and at the calls in workers",
    "bytes     what left for another process",
    "busy      clocks around the calls; of a source around its pulls, of a fold",
    "          around its batches; saves included",
    "waiting   of a source: not asked, as workers had enough; of tasks: workers idle",
)


def lines(
    program: Program,
    runtime: str,
    seconds: float,
    error: str | None,
    steps: Sequence[StepReport],
    streams: Sequence[StreamReport],
    workers: Sequence[WorkerReport],
    deaths: int,
    bottlenecks: Sequence[str],
) -> Iterator[str]:
    """The page, line by line."""
    how = "done" if error is None else f"ended by {error}"
    yield f"run   {program.title}   {runtime}   {seconds_text(seconds)}   {how}"
    yield from _table(
        [_HEAD, *_shortened([_step(step, call) for step, call in zip(steps, calls_of(program), strict=True)])]
    )
    for stream in streams:
        blocked = sum(step.blocked or 0.0 for step in steps if step.stage == stream.stage)
        yield from wrapped(_stream(stream, blocked), WIDTH, indent=4)
    for told in bottlenecks:
        yield from textwrap.wrap(told, WIDTH, subsequent_indent="    ")
    if workers:
        yield ""
        yield from _table([("worker", "batches", "items", "busy", "waiting", ""), *_shortened(map(_worker, workers))])
    repeated = sum(step.repeated for step in steps)
    lost = sum(stream.lost for stream in streams)
    yield ""
    yield f"workers that died: {deaths:,}   items that lost their worker: {lost:,}   attempts repeated: {repeated:,}"
    if failed := sum(step.failed for step in steps):
        yield f"items that failed while the run went on: {failed:,}"
    yield from _MEASURED


_HEAD = ("#  ", "where", "step", "in", "out", "bytes", "busy", "waiting")


def _step(step: StepReport, call: str) -> tuple[str, ...]:
    counts = [count_text(count) for count in (step.items_in, step.items_out)]
    times = [seconds_text(one) for one in (step.busy, step.waiting)]
    number = f"{step.number} {'+' if step.joined else ' '}"
    return (number, step.where, call, *counts, bytes_text(step.nbytes), *times)


def _worker(worker: WorkerReport) -> tuple[str, ...]:
    there = worker.busy + worker.waiting
    share = f"{round(100 * worker.busy / there)} %" if there else ""
    counts = (str(worker.worker), count_text(worker.batches), count_text(worker.items))
    return (*counts, seconds_text(worker.busy), seconds_text(worker.waiting), share)


def _stream(stream: StreamReport, blocked: float) -> str:
    if not stream.workers:
        return f"stream {stream.stage}: in the coordinator, one item in flight at a time"
    in_flight = f"{stream.peak:,} of {counted(stream.max_in_flight, 'item')} in flight at most"
    workers, batches = counted(stream.workers, "worker"), counted(stream.batches, "batch", "batches")
    moved = f"{bytes_text(stream.sent)} to {workers}, {bytes_text(stream.back)} back"
    waits = f"blocked {seconds_text(blocked)} by the in-flight limit"
    return f"stream {stream.stage}: {in_flight}; {batches}, {moved}; {waits}"


def _shortened(rows: Iterator[tuple[str, ...]] | Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    found = list(rows)
    if len(found) <= _MOST:
        return found
    half = _MOST // 2
    more = (f"... {len(found) - 2 * half:,} more", *[""] * (len(found[0]) - 1))
    return [*found[:half], more, *found[-half:]]


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """The rows aligned: numbers to the right, words to the left; a step goes on in the next line where it is long."""
    whole = [row for row in rows if not row[0].startswith("...")]
    widths = [max(len(row[column]) for row in whole) for column in range(len(rows[0]))]
    words = {column for column, name in enumerate(rows[0]) if name in ("where", "step")}
    gap = 2
    if "step" in rows[0]:
        gap, widths[rows[0].index("step")] = _fitted(widths, rows[0].index("step"))
    for row in rows:
        if row[0].startswith("..."):
            yield f" {row[0]}"
            continue
        folded = [wrapped(cell, width) for cell, width in zip(row, widths, strict=True)]
        for parts in itertools.zip_longest(*folded, fillvalue=""):
            cells = [
                f"{cell:{width}}" if column in words else f"{cell:>{width}}"
                for column, (cell, width) in enumerate(zip(parts, widths, strict=True))
            ]
            yield f" {(' ' * gap).join(cells)}".rstrip()


def _fitted(widths: Sequence[int], step: int) -> tuple[int, int]:
    """The gap between columns, and the width of that of the steps, so that a page holds all of them."""
    others = 1 + sum(widths) - widths[step]
    for gap in (2, 1):
        room = WIDTH - others - gap * (len(widths) - 1)
        if room >= min(widths[step], _NARROW):
            break
    return gap, min(widths[step], max(_NARROW, room))
