"""Which workloads there are, in the order of the tables, and where: nothing is loaded that is not asked for."""

from __future__ import annotations

import importlib
from typing import cast

from benchmarks.shape import Workload

__all__ = ["MODULES", "workload"]

# A process that measures one of them must not load what another one needs (numpy starts threads, for one).
MODULES = {
    "inline": "trivial",
    "trivial": "trivial",
    "batches": "batches",
    "operations": "operations",
    "one_ms": "busy",
    "twenty_ms": "busy",
    "threads": "waiting",
    "skew": "waiting",
    "places": "places",
    "latency": "latency",
    "arrays": "arrays",
    "arrays_back": "arrays",
    "start": "start",
    "memory": "memory",
    "ahead": "memory",
    "slow_head": "slow_head",
    "argument": "heavy",
    "closure": "heavy",
    "nodes": "growth",
    "length": "growth",
    "workers": "growth",
    "workers_one_ms": "growth",
    "trace": "watched",
}


def workload(name: str) -> Workload:
    """The workload of this name."""
    module = importlib.import_module(f"benchmarks.workloads.{MODULES[name]}")
    return next(found for found in cast("tuple[Workload, ...]", module.WORKLOADS) if found.name == name)
