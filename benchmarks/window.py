"""Does a run keep to its plan? Everything is seen from outside, by counters and process ids in the user's functions:

window   how far the source runs ahead of the ending, against the window that `explain` prints
where    which processes each step is seen in, against the column of that name
batch    how many messages carry the items, against the batch (the one place that looks inside)
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar
from unittest import mock

import daglite
from daglite import MapTaskFuture, Plan, Task, task
from daglite.runtime.executor import Chunk
from daglite.runtime.pool import ProcessSession

WORKERS = 2
T = TypeVar("T")


class Lead:
    """How far the source is ahead of the ending: both are in this process."""

    def __init__(self) -> None:
        self.pulled = self.ended = self.most = 0

    def pull(self) -> None:
        """One more item leaves the source."""
        self.pulled += 1
        self.most = max(self.most, self.pulled - self.ended)


lead = Lead()


@task
def numbers(n: int) -> Iterator[int]:
    """0, 1, 2, ... as counted items."""
    for number in range(n):
        lead.pull()
        yield number


@task
def double(x: int) -> int:
    """2x."""
    return x * 2


@task
def late_first(x: int) -> int:
    """The first item takes half a second, and holds up those behind it."""
    if x == 0:
        time.sleep(0.5)
    return x


@task
def add(total: int, item: int) -> int:
    """A sum; the item ends here."""
    lead.ended += 1
    return total + item


@task
def add_slowly(total: int, item: int) -> int:
    """A sum that is slower than the source."""
    time.sleep(0.0002)
    lead.ended += 1
    return total + item


class Case(NamedTuple):
    """A stream with something slow in it."""

    name: str
    work: Task[[int], int] = double
    fold: Task[[int, int], int] = add


CASES = [Case("fast"), Case("slow first item", work=late_first), Case("slow fold", fold=add_slowly)]


def printed_window(plan: Plan[T]) -> int:
    """The window that the plan prints, in items."""
    found = re.search(r"window <= (\d+) items( per worker)?", plan.explain())
    assert found is not None, plan.explain()
    return int(found[1]) * (WORKERS if found[2] else 1)


def start_over() -> None:
    """A count of its own for each run."""
    global lead
    lead = Lead()


def fold_case(case: Case, n: int, window: int | None, ordered: bool) -> bool:
    """The lead of a fold."""
    folded = numbers.iter(n=n).then(case.work).reduce(case.fold, initial=0, ordered=ordered)
    plan = daglite.compile(folded, window=window)
    start_over()
    plan.run(workers=WORKERS)
    return window_line(case.name, ordered, printed_window(plan))


def stream_case(n: int, window: int | None, ordered: bool) -> bool:
    """The lead over a slow consumer of a stream."""
    plan = daglite.compile(numbers.iter(n=n).then(double), window=window)
    start_over()
    with plan.stream(ordered=ordered, workers=WORKERS) as items:
        for _ in items:
            lead.ended += 1
            time.sleep(0.0002)
    return window_line("slow consumer", ordered, printed_window(plan))


def window_line(name: str, ordered: bool, window: int) -> bool:
    """One line of the first table."""
    holds = lead.most <= window
    order = "ordered" if ordered else "unordered"
    print(f"{name:16} {order:10} {window:8,} {lead.most:8,}   {'yes' if holds else 'NO'}", flush=True)
    return holds


def windows(n: int) -> bool:
    """The first table."""
    print(f"{'case':16} {'order':10} {'printed':>8} {'lead':>8}   holds")
    kept = []
    for window, ordered in itertools.product((None, 8, 1), (True, False)):
        # A window of one item is a round trip for each: fewer will do.
        some = n if window is None else n // 10
        kept += [fold_case(case, some, window, ordered) for case in CASES]
        kept.append(stream_case(some, window, ordered))
    return all(kept)


Pids = tuple[int, ...]


@task
def origins(n: int) -> Iterator[Pids]:
    """The process of the source."""
    for _ in range(n):
        yield (os.getpid(),)


@task
def first(seen: Pids) -> Pids:
    """And that of a first task."""
    time.sleep(0.001)
    return (*seen, os.getpid())


@task
def second(seen: Pids) -> Pids:
    """And that of a second one."""
    return (*seen, os.getpid())


@task
def gather(rows: list[Pids], seen: Pids) -> list[Pids]:
    """And that of the fold."""
    return [*rows, (*seen, os.getpid())]


@task
def listed(rows: list[Pids]) -> list[Pids]:
    """Or that of the join."""
    return [(*seen, os.getpid()) for seen in rows]


@task
def finished(rows: list[Pids]) -> list[Pids]:
    """And that of a single call behind it."""
    return [(*seen, os.getpid()) for seen in rows]


def places(n: int) -> bool:
    """The second table."""
    print(f"\n{'plan':14} {'step':10} {'where printed':14} {'processes seen':30} holds")
    tasks: MapTaskFuture[Pids] = origins.iter(n=n).then(first).then(second)
    kept = []
    for optimize in (True, False):
        title = "optimised" if optimize else "not optimised"
        kept.append(place_lines(f"{title}", daglite.compile(tasks.reduce(gather, initial=[]), optimize=optimize)))
        kept.append(place_lines(f"{title}", daglite.compile(tasks.join(listed).then(finished), optimize=optimize)))
    return all(kept)


def place_lines(title: str, plan: Plan[list[Pids]]) -> bool:
    """The lines of one plan."""
    printed = re.findall(r"^ *\d+ [ +] (coordinator|workers) +\w+ (\w+)", plan.explain(), re.MULTILINE)
    columns = list(zip(*plan.run(workers=WORKERS), strict=True))
    assert len(printed) == len(columns), plan.explain()
    kept = []
    for (where, step), pids in zip(printed, columns, strict=True):
        others = set(pids) - {os.getpid()}
        here = "coordinator" if os.getpid() in pids else ""
        seen = " and ".join(filter(None, [here, f"{len(others)} workers" if others else ""]))
        kept.append((where == "coordinator") == (not others) and bool(others) != bool(here))
        print(f"{title:14} {step:10} {where:14} {seen:30} {'yes' if kept[-1] else 'NO'}", flush=True)
    return all(kept)


def batches(n: int) -> bool:
    """The third table: messages to workers, counted where they are handed over."""
    print(f"\n{'batch':10} {'items':>8} {'messages':>9} {'items a message':>16}   holds")
    return all([batch_line(n, batch) for batch in (None, 16, 1)])


def batch_line(n: int, batch: int | None) -> bool:
    """One line: no fewer messages than the batch allows for."""
    plan = daglite.compile(numbers.iter(n=n).then(double).reduce(add, initial=0), batch=batch)
    sent: list[int] = []
    submit = ProcessSession.submit

    def counting(session: ProcessSession, chunk: Chunk) -> None:
        sent.append(chunk.seq)
        submit(session, chunk)

    with mock.patch.object(ProcessSession, "submit", counting):
        plan.run(workers=WORKERS)
    found = re.search(r"batch (adaptive|<= (\d+))", plan.explain())
    assert found is not None, plan.explain()
    most = int(found[2] or 256)
    holds = len(sent) * most >= n
    print(f"{found[1]:10} {n:8,} {len(sent):9,} {n / len(sent):16.1f}   {'yes' if holds else 'NO'}", flush=True)
    return holds


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 1 when a run did not keep to its plan."""
    parser = argparse.ArgumentParser(description="Compare what plans print with what is seen in their runs.")
    parser.add_argument("--quick", action="store_true", help="fewer items")
    n = 2_000 if parser.parse_args(arguments).quick else 10_000
    kept = [windows(n), places(n // 20), batches(10 * n)]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    raise SystemExit(main())
