"""A worker that the kernel ends because memory ran out: for real, in a memory cgroup with a small limit.

To make such a group takes rights that not every machine gives. Where they are missing the worker gets its SIGKILL by
hand, the ids of the tests say so, and the error must not speak of the kernel then.
"""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.scripts import Launch

pytestmark = pytest.mark.timeout(60)
LIMIT = 200_000_000
CGROUPS = Path("/sys/fs/cgroup")


@contextlib.contextmanager
def memory_group() -> Iterator[Path | None]:
    """A memory cgroup that allows `LIMIT` bytes, swap included; None where it cannot be made."""
    legacy = (CGROUPS / "memory").is_dir()
    group = (CGROUPS / "memory" if legacy else CGROUPS) / f"daglite-test-{uuid.uuid4().hex[:8]}"
    try:
        if not legacy and "memory" not in (CGROUPS / "cgroup.subtree_control").read_text().split():
            raise OSError("groups here do not count memory")
        group.mkdir()
    except OSError:
        yield None
        return
    try:
        limit, swap = (
            ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes") if legacy else ("memory.max", "memory.swap.max")
        )
        (group / limit).write_text(str(LIMIT))
        # Without swap, or without its accounting, this file is not there, and not needed.
        with contextlib.suppress(FileNotFoundError):
            (group / swap).write_text(str(LIMIT) if legacy else "0")
        yield group
    finally:
        for _ in range(500):
            # Busy while a process of it is still ending.
            with contextlib.suppress(OSError):
                group.rmdir()
                break
            time.sleep(0.01)


def kernel_kills_here() -> bool:
    with memory_group() as group:
        return group is not None and os.access(group / "cgroup.procs", os.W_OK)


KERNEL = kernel_kills_here()
METHODS = pytest.mark.parametrize(
    "method",
    [
        pytest.param(method, id=f"{method}, {'killed by the kernel' if KERNEL else 'no cgroup here: killed by hand'}")
        for method in ("fork", "forkserver", "spawn")
    ],
)

SCRIPT = """
import os, signal, sys
from pathlib import Path
from daglite import task
from daglite.exceptions import WorkerDiedError, failure_of

group, method, often = sys.argv[1:]
if group:
    Path(group, "cgroup.procs").write_text(str(os.getpid()))

yielded = []

@task
def numbers(n: int):
    for i in range(n):
        yielded.append(i)
        yield i

@task
def hungry(x: int) -> int:
    if x == 11 and (often == "always" or not Path("died").exists()):
        Path("died").touch()
        if not group:
            os.kill(os.getpid(), signal.SIGKILL)
        kept = []
        while True:
            kept.append(os.urandom(1 << 20))
    return x * 2

try:
    assert numbers.iter(n=60).then(hungry).run(workers=2, start_method=method) == [2 * i for i in range(60)]
    assert yielded == list(range(60))
    print("whole")
except WorkerDiedError as error:
    print(error)
    print(failure_of(error))
"""


@METHODS
def test_an_item_lost_to_the_out_of_memory_killer_runs_again(method: str, launch: Launch, tmp_path: Path) -> None:
    with memory_group() as group:
        out, errors = launch(SCRIPT, str(group or ""), method, "once").communicate(timeout=50)
    assert (out, errors) == ("whole\n", "")
    assert (tmp_path / "died").exists()


@METHODS
def test_an_item_that_takes_all_memory_every_time_is_named_and_the_reason_too(method: str, launch: Launch) -> None:
    with memory_group() as group:
        out, errors = launch(SCRIPT, str(group or ""), method, "always").communicate(timeout=50)
        if group is not None:
            file = "memory.oom_control" if (group / "memory.oom_control").exists() else "memory.events"
            assert "oom_kill 3" in (group / file).read_text().splitlines()
    assert errors == ""
    assert "signal SIGKILL) while it ran task 'hungry' on item 11; started 3 times" in out
    assert "index=11, item='11', attempt=3" in out
    said = "the kernel's out-of-memory killer ended 3 processes of this memory cgroup during this run" in out
    assert said == KERNEL
