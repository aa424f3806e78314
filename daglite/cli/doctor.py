"""Checks of this machine: versions, start methods of workers, and the measured cost of a start and of an item."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import time
from collections.abc import Iterator
from typing import NamedTuple, get_args

from daglite.compile import compile
from daglite.observe.amounts import seconds_text
from daglite.options import RuntimeName, StartMethod
from daglite.plan import Plan
from daglite.run_options import RunOptions
from daglite.runtime.engines.processes.worker_handle import choose_method, usable_processors
from daglite.tasks import task

_ROUNDS = 3
_ITEMS = 20_000


class RunCost(NamedTuple):
    """Seconds for a run of one item, and for each further item; or the `problem` that prevented the run."""

    start: float
    item: float
    problem: str = ""


@task
def numbers(n: int) -> Iterator[int]:
    yield from range(n)


@task
def plus_one(x: int) -> int:
    return x + 1


@task
def add(total: int, item: int) -> int:
    return total + item


def examine(workers: int | None) -> Iterator[tuple[str, bool]]:
    """Yield the lines of the report as they are known, each with whether the check succeeded."""
    # Chosen first: the runs below may leave threads behind, and then `auto` takes another method.
    auto = choose_method("auto")
    wanted = workers or usable_processors()
    for name, version in _versions():
        yield f"{name:20}{version}", True
    yield "", True
    yield f"{'start method':20}start-up    (workers: 1)", True
    yield from _start_methods(auto)
    yield "", True
    yield f"{'runtime':20}{'start-up':12}item        (workers: {wanted})", True
    yield from _runtimes(wanted)
    yield "", True
    yield "start-up: a whole run of one item. item: each of the others in a run of", True
    yield f"{_ITEMS:,} items, each counted up by one and added. The best of {_ROUNDS} runs.", True


def _versions() -> Iterator[tuple[str, str]]:
    for library in ("daglite", "multiprocess", "dill", "typing-extensions"):
        yield library, importlib.metadata.version(library)
    yield "python", f"{platform.python_version()} ({platform.python_implementation()})"
    yield "system", f"{platform.system()} {platform.release()}, {platform.machine()}"
    yield "processors", f"{usable_processors()} usable of {os.cpu_count() or '?'}"


def _start_methods(auto: str) -> Iterator[tuple[str, bool]]:
    for method in get_args(StartMethod):
        if method != "auto":
            cost = _measured({"runtime": "processes", "start_method": method, "workers": 1}, items=False)
            mark = "   taken by `auto` here" if method == auto else ""
            yield f"{method:20}{cost.problem or seconds_text(cost.start)}{mark}", not cost.problem


def _runtimes(workers: int) -> Iterator[tuple[str, bool]]:
    for runtime in get_args(RuntimeName):
        options: RunOptions = {"runtime": runtime, "workers": workers}
        cost = _measured(options, items=True)
        costs = f"{seconds_text(cost.start):12}{seconds_text(cost.item)}"
        yield f"{runtime:20}{cost.problem or costs}", not cost.problem


def _measured(options: RunOptions, *, items: bool) -> RunCost:
    """Return the costs of a run; a run that fails is reported, not raised."""
    one, many = _plan(1), _plan(_ITEMS)
    try:
        start = min(_seconds(one, 1, options) for _ in range(_ROUNDS))
        if not items:
            return RunCost(start, 0.0)
        whole = min(_seconds(many, _ITEMS, options) for _ in range(_ROUNDS))
        return RunCost(start, max(0.0, whole - start) / (_ITEMS - 1))
    except Exception as error:
        return RunCost(0.0, 0.0, f"does not work: {type(error).__name__}: {error}")


def _plan(items: int) -> Plan[int]:
    return compile(numbers.iter(n=items).then(plus_one).reduce(add, initial=0))


def _seconds(plan: Plan[int], items: int, options: RunOptions) -> float:
    began = time.perf_counter()
    found = plan.run(**options)
    took = time.perf_counter() - began
    if found != items * (items + 1) // 2:
        raise ArithmeticError(f"{items} items gave {found}")
    return took
