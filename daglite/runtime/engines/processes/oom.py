"""Tells whether the kernel's out-of-memory killer ended a worker; its exit code is that of any other SIGKILL.

The kernel counts its kills, for each memory cgroup and for the whole system, before it sends the signal. So if a
counter has risen by the time a worker is found dead, memory ran out; if none has, it did not.
"""

from __future__ import annotations

import os
from typing import NamedTuple

_PROC = "/proc"
_CGROUPS = "/sys/fs/cgroup"


class MemoryKills(NamedTuple):
    """How many processes the killer has ended so far; None where the system does not count them."""

    group: int | None
    system: int | None


def memory_kills(proc: str = _PROC, cgroups: str = _CGROUPS) -> MemoryKills:
    """Read the counters of this process's memory cgroup, which its workers share, and of the system. Never raises."""
    try:
        files = _group_files(_read(os.path.join(proc, "self", "cgroup")))
    except (OSError, ValueError):
        files = []
    found = (_counted(os.path.join(cgroups, file)) for file in files)
    return MemoryKills(
        next((count for count in found if count is not None), None), _counted(os.path.join(proc, "vmstat"))
    )


def memory_hint(before: MemoryKills, now: MemoryKills) -> str:
    """Return a hint on a worker that got SIGKILL, from the counters at the start of the run and now."""
    what = ""
    if group := _risen(before.group, now.group):
        what = f"{_processes(group)} of this memory cgroup"
    elif system := _risen(before.system, now.system):
        what = f"{_processes(system)} of this system"
    if what:
        return (
            f"the kernel's out-of-memory killer ended {what} during this run: use fewer workers or smaller items, or "
            "raise the memory limit"
        )
    if now == (None, None):
        return "if the system ran out of memory, use fewer workers"
    return "the kernel's out-of-memory killer was not at work"


def _group_files(text: str) -> list[str]:
    """Return the files that may hold the counter of a process, from its `/proc/<pid>/cgroup`; the likeliest first.

    A line is `number:controllers:/path`; version 2 has number 0 and names no controller. In a container the path may
    be the host's, while the mount shows only what lies below it: then the counter is at the top.
    """
    files: list[str] = []
    for line in text.splitlines():
        number, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            files = [f"memory{path}/memory.oom_control", "memory/memory.oom_control", *files]
        elif number == "0" and not controllers:
            files += [f"{path[1:]}/memory.events".lstrip("/"), "memory.events"]
    return files


def _read(file: str) -> str:
    with open(file, encoding="utf-8", errors="replace") as opened:
        return opened.read()


def _counted(file: str) -> int | None:
    """Return the number after `oom_kill` in a file of one counter a line."""
    try:
        lines = _read(file).splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)


def _risen(before: int | None, now: int | None) -> int:
    return 0 if before is None or now is None else max(0, now - before)


def _processes(count: int) -> str:
    return "a process" if count == 1 else f"{count} processes"
