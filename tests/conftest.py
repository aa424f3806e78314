"""What all tests share: how hard Hypothesis searches, and the watch that nothing is left running behind a test.

Hypothesis profiles, chosen by HYPOTHESIS_PROFILE (or --hypothesis-profile):
    default   moderate search, other examples each time, failures remembered      a plain `pytest`
    ci        the same examples each time, so the gate says the same twice        `make test`
    long      a search of an hour or so                                           `make laws`
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import HealthCheck, settings

from daglite.options import RuntimeName

# A run starts processes: how long one example takes says nothing, and slow examples are no reason to stop.
settings.register_profile("default", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("default"), derandomize=True, database=None, print_blob=True)
settings.register_profile("long", settings.get_profile("default"), max_examples=2000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# A shell that starts this in the background has Ctrl-C ignored, and with it whatever a test interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Long: a busy machine may take its time, and only a test that fails waits for the end of it.
PATIENCE = 30.0
PROC = Path("/proc")
# These may live as long as the interpreter: the fork server and the tracker of shared resources, of both families.
FAMILIES = ("multiprocess", "multiprocessing")
SERVANTS = [f"{family}.{servant}" for family in FAMILIES for servant in ("forkserver", "resource_tracker")]


# Tests that `make test` leaves to `make test-full`, by the beginning of their names or a part of it: clusters, the
# checkers, every start method but the first, and the slowest of the rest.
FULL_FOLDERS = (
    "tests/docs/notebook",
    "tests/docs/website",
    "tests/engines/clusters/test_dask",
    "tests/engines/ray",
    "tests/faults/cuts",
    "tests/faults/test_cancelling",
    "tests/faults/test_cluster",
    "tests/faults/test_nothing_accumulates",
    "tests/faults/test_out_of_memory",
    "tests/faults/test_programs_with_children",
    "tests/faults/test_saves_under_fire",
    "tests/faults/test_worst_moments",
    "tests/typing",
    "tests/unit/compile/test_long",
)
FULL_NAMES = ("dask", "forkserver", "spawn", "web-requests", "clusters.md")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that are left to `make test-full`."""
    for item in items:
        if item.nodeid.startswith(FULL_FOLDERS) or any(name in item.name for name in FULL_NAMES):
            item.add_marker(pytest.mark.full)


@pytest.fixture(params=get_args(RuntimeName))
def runtime(request: pytest.FixtureRequest) -> RuntimeName:
    """Every runtime, by name: for a test of what they must agree on."""
    name: RuntimeName = request.param
    return name


@pytest.fixture(params=["threads", "processes"])
def crew(request: pytest.FixtureRequest) -> RuntimeName:
    """Every runtime that has workers."""
    name: RuntimeName = request.param
    return name


@pytest.fixture(autouse=True)
def no_process_left() -> Iterator[None]:
    """After every test: no worker, no orphan of a killed coordinator, no zombie."""
    before = left_running()
    yield
    left = settled(left_running, before)
    assert not left, "left running:\n" + "\n".join(left)


@pytest.fixture
def nothing_left(no_process_left: None) -> Iterator[None]:
    """For a test that asks: no file descriptor, thread or shared memory more than before, and no process."""
    before = held()
    yield
    left = settled(held, before)
    assert not left, "not given back:\n" + "\n".join(left)


def settled(look: Callable[[], dict[str, str]], known: dict[str, str]) -> list[str]:
    """What `look` still finds beside the `known` after some patience."""
    until = time.monotonic() + PATIENCE
    while (left := [text for key, text in look().items() if key not in known]) and time.monotonic() < until:
        time.sleep(0.01)
    return left


@dataclass(frozen=True)
class Process:
    """One line of the system's process table."""

    pid: int
    parent: int
    group: int
    started: int
    state: str

    @property
    def command(self) -> str:
        """The command line; empty for a process that has ended and was not waited for."""
        try:
            return (PROC / str(self.pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            return ""


def processes() -> dict[int, Process]:
    """The process table, by id."""
    table = {}
    for pid in (int(folder.name) for folder in PROC.iterdir() if folder.name.isdigit()):
        try:
            # The second field, a name in parentheses, may hold anything, spaces and parentheses too.
            fields = (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        table[pid] = Process(pid, int(fields[1]), int(fields[2]), int(fields[19]), fields[0])
    return table


def ancestry(process: Process, table: dict[int, Process]) -> list[Process]:
    """The process, its parent and so on up to the first of all."""
    line = [process]
    while line[-1].parent in table:
        line.append(table[line[-1].parent])
    return line


def left_running() -> dict[str, str]:
    """Descendants of this process, and orphans among what was started after it in its process group."""
    if not PROC.is_dir():
        return {}
    table = processes()
    me = table[os.getpid()]
    mine = ancestry(me, table)
    found = {}
    for process in table.values():
        line = ancestry(process, table)
        if me in line:
            servant = process.parent == me.pid and any(name in process.command for name in SERVANTS)
            ours = process is not me and not servant
        else:
            # Of the same group, but no chain of parents within the group leads to where this process came from.
            # With xdist the neighbours do the same at the same time; then nobody can say whose orphan it is.
            kin = any(one in mine for one in line[:-1] if one.group == me.group)
            alone = "PYTEST_XDIST_WORKER" not in os.environ
            ours = alone and not kin and process.group == me.group and process.started > me.started
            # An orphan that has ended waits for whoever adopted it, in its own time.
            ours = ours and process.state != "Z"
        if ours:
            what = f"process {process.pid}, child of {process.parent}, state {process.state}: {process.command[:120]}"
            found[f"{process.pid} {process.started}"] = what
    return found


def held() -> dict[str, str]:
    """What a run must give back: threads, file descriptors, shared memory."""
    found = {f"thread {thread.native_id}": f"thread {thread.name}" for thread in threading.enumerate()}
    if not PROC.is_dir():
        return found
    kept = set(servant_descriptors())
    for link in (PROC / "self" / "fd").iterdir():
        try:
            text = f"file descriptor {link.name} -> {os.readlink(link)}"
        except OSError:
            continue  # the one that listed this folder
        if int(link.name) not in kept:
            found[text] = text
    for line in (PROC / "self" / "maps").read_text().splitlines():
        if "/dev/shm/" in line or "/memfd:" in line:
            found[line.split()[0]] = f"shared memory {line.split(maxsplit=5)[-1]}"
    return found


def servant_descriptors() -> Iterator[int]:
    """The pipes whose closing ends the servants."""
    for family in FAMILIES:
        server = getattr(sys.modules.get(f"{family}.forkserver"), "_forkserver", None)
        tracker = getattr(sys.modules.get(f"{family}.resource_tracker"), "_resource_tracker", None)
        for number in (getattr(server, "_forkserver_alive_fd", None), getattr(tracker, "_fd", None)):
            if isinstance(number, int):
                yield number
