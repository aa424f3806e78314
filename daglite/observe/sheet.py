"""A report as a page of text: the table of `explain` with counts and times, the streams, the workers."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterable, Iterator, Sequence

from daglite.explain import calls_of
from daglite.explain.columns import WIDTH, aligned, wrapped
from daglite.observe.amounts import bytes_text, count_text, seconds_text
from daglite.observe.measures import RunTotals, StepReport, StreamReport, WorkerReport
from daglite.program import Program
from daglite.short_repr import counted

# The largest number of rows of a table that are all shown.
_MOST = 40
_STEP_COLUMNS = ("#  ", "where", "step", "in", "out", "bytes", "busy", "waiting")
_WORKER_COLUMNS = ("worker", "batches", "items", "busy", "waiting", "")
# The columns of the first table with words; that of the steps is folded to fit the page, but not below a width.
_WHERE, _STEP = 1, 2
_NARROW = 14
_MEASURED = (
    "in, out   items, counted in the coordinator and at the calls in workers",
    "bytes     what left for another process",
    "busy      clocks around the calls; of a source around its pulls, of a fold",
    "          around its batches; saves included",
    "waiting   of a source: not asked, as workers had enough; of tasks: workers idle",
)


def lines(run: RunTotals, program: Program, bottlenecks: Sequence[str]) -> Iterator[str]:
    """Yield the lines of the page."""
    steps, streams, workers = run.step_reports(), run.stream_reports(), run.worker_reports()
    outcome = "done" if run.error is None else f"ended by {run.error}"
    yield f"run   {program.title}   {run.runtime}   {seconds_text(run.seconds)}   {outcome}"
    yield from _table(_STEP_COLUMNS, map(_step, steps, calls_of(program)), words=(_WHERE, _STEP))
    for stream in streams:
        blocked = sum(step.blocked or 0.0 for step in steps if step.stage == stream.stage)
        yield from wrapped(_stream(stream, blocked), WIDTH, indent=4)
    for sentence in bottlenecks:
        yield from textwrap.wrap(sentence, WIDTH, subsequent_indent="    ")
    if workers:
        yield ""
        yield from _table(_WORKER_COLUMNS, map(_worker, workers))
    repeated = sum(step.repeated for step in steps)
    lost = sum(stream.lost for stream in streams)
    yield ""
    yield (
        f"workers that died: {run.deaths:,}   items that lost their worker: {lost:,}   attempts repeated: {repeated:,}"
    )
    if failed := sum(step.failed for step in steps):
        yield f"items that failed while the run went on: {failed:,}"
    yield from _MEASURED


def _step(step: StepReport, call: str) -> tuple[str, ...]:
    counts = [count_text(count) for count in (step.items_in, step.items_out)]
    times = [seconds_text(seconds) for seconds in (step.busy, step.waiting)]
    number = f"{step.number} {'+' if step.joined else ' '}"
    return (number, step.where, call, *counts, bytes_text(step.nbytes), *times)


def _worker(worker: WorkerReport) -> tuple[str, ...]:
    lifetime = worker.busy + worker.waiting
    share = f"{round(100 * worker.busy / lifetime)} %" if lifetime else ""
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


def _table(names: tuple[str, ...], rows: Iterable[tuple[str, ...]], words: Collection[int] = ()) -> Iterator[str]:
    """Yield a table with its columns of numbers to the right; a long one without its middle."""
    shown = list(rows)
    hidden = len(shown) - _MOST
    if hidden > 0:
        del shown[_MOST // 2 : -_MOST // 2]
    widths = [max(map(len, column)) for column in zip(names, *shown, strict=True)]
    gap = 2
    if _STEP in words:
        gap, widths[_STEP] = _fitted(widths)
    numbers = [column for column in range(len(widths)) if column not in words]
    for position, row in enumerate([names, *shown]):
        if hidden > 0 and position == 1 + _MOST // 2:
            yield f" ... {hidden:,} more"
        yield from (f" {line}" for line in aligned(row, widths, gap=gap, right=numbers))


def _fitted(widths: Sequence[int]) -> tuple[int, int]:
    """Return the gap between columns and the width of that of the steps with which the table fits the page."""
    others = 1 + sum(widths) - widths[_STEP]
    for gap in (2, 1):
        room = WIDTH - others - gap * (len(widths) - 1)
        if room >= min(widths[_STEP], _NARROW):
            break
    return gap, min(widths[_STEP], max(_NARROW, room))
