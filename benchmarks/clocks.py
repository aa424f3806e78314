"""The clocks: time on the wall, processor time of a process and all below it, memory of this process."""

from __future__ import annotations

import gc
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

__all__ = ["Cost", "cost_of", "memory", "processor", "reset_peak"]

T = TypeVar("T")
PROC = Path("/proc")
TICK = 1 / os.sysconf("SC_CLK_TCK")


class Cost(NamedTuple):
    """What a call took; `peak` is in MB, above what this process held before."""

    seconds: float
    processor: float
    peak: float


def cost_of(call: Callable[[], T]) -> tuple[T, Cost]:
    """Call it, and say what it took."""
    # Garbage of before, collected during the call, would hide as much of its peak.
    gc.collect()
    reset_peak()
    before, used, began = memory("VmRSS"), processor(), time.perf_counter()
    answer = call()
    seconds = time.perf_counter() - began
    return answer, Cost(seconds, processor() - used, max(0.0, memory("VmHWM") - before))


def processor() -> float:
    """Seconds of processor time of this process, of its children that have ended, and of those that have not."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in spent) + TICK * _ticks_below(os.getpid())


def _ticks_below(pid: int) -> int:
    """What living descendants have used so far, those included that they have waited for."""
    table: dict[int, tuple[int, int]] = {}
    for folder in PROC.glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        table[int(folder.name)] = int(fields[1]), sum(map(int, fields[11:15]))
    found, grown = {pid}, True
    while grown:
        new = {child for child, (parent, _) in table.items() if parent in found} - found
        found |= new
        grown = bool(new)
    return sum(table[child][1] for child in found - {pid})


def memory(field: str) -> float:
    """A field of this process's status, in MB: VmRSS is what it holds, VmHWM the most it ever held."""
    with open("/proc/self/status", encoding="ascii") as status:
        found = next(line for line in status if line.startswith(field + ":"))
    return int(found.split()[1]) * 1024 / 1e6


def reset_peak() -> None:
    """Let VmHWM begin anew; where the system does not allow it, what was before counts too."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        pass
