"""Programs that fork by themselves, or wait for all their children: servers, supervisors, test runners."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
import traceback

import pytest

from daglite import compile
from daglite.options import StartMethod
from daglite.runtime import Processes
from tests.faults.scripts import Launch
from tests.tasks import count, double

pytestmark = pytest.mark.timeout(60)
METHODS: list[StartMethod] = ["fork", "forkserver", "spawn"]


def test_a_child_that_the_user_forked_may_run_and_leaves_its_parents_run_alone(nothing_left: None) -> None:
    """The child's run is its own; the copy of the parent's that it closes is not: no worker dies of it."""
    plan = compile(count.iter(n=2000).then(double))
    with plan.stream(workers=2, worker_retries=0, start_method="fork") as items:
        first = next(items)
        pid = os.fork()
        if pid == 0:
            whole = False
            try:
                whole = plan.run(workers=1, start_method="fork") == [2 * i for i in range(2000)]
                items.close()
            except BaseException:
                whole = False
            finally:
                os._exit(0 if whole else 1)
        _, status = os.waitpid(pid, 0)
        assert [first, *items] == [2 * i for i in range(2000)]
    assert os.waitstatus_to_exitcode(status) == 0


def test_a_child_with_threads_has_a_fork_server_of_its_own(nothing_left: None) -> None:
    """With threads workers come from a fork server, and that of its parent is not its own."""
    assert count.iter(n=3).then(double).run(workers=1, start_method="forkserver") == [0, 2, 4]
    pid = os.fork()
    if pid == 0:
        whole = False
        try:
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
            whole = count.iter(n=3).then(double).run(workers=1) == [0, 2, 4]
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(0 if whole else 1)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert count.iter(n=3).then(double).run(workers=1, start_method="forkserver") == [0, 2, 4]


def test_a_child_that_the_user_forked_has_workers_of_its_own(nothing_left: None) -> None:
    """The kept workers of a `with` block answer its parent only."""
    with Processes(workers=1) as pool:
        assert count.iter(n=3).then(double).run(runtime=pool) == [0, 2, 4]
        pid = os.fork()
        if pid == 0:
            whole = False
            try:
                whole = count.iter(n=3).then(double).run(runtime=pool) == [0, 2, 4]
            except BaseException:
                traceback.print_exc()
                sys.stderr.flush()
            finally:
                os._exit(0 if whole else 1)
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert count.iter(n=3).then(double).run(runtime=pool) == [0, 2, 4]


REAPED = """
import os, signal, sys, threading, time
from pathlib import Path
from daglite import task
from daglite.exceptions import WorkerDiedError, failure_of
from daglite.runtime import Processes

method, how = sys.argv[1:]

def reap():
    while True:
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            pass
        time.sleep(0.0005)

if how == "ignored":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
else:
    threading.Thread(target=reap, daemon=True).start()

def fragile(x, always):
    if x == 3 and (always or not Path("died").exists()):
        Path("died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return x

def held():
    return len(os.listdir("/proc/self/fd"))

with Processes(workers=2, start_method=method) as pool:
    before = held()
    assert task(fragile).partial(always=False).map(x=range(10)).run(runtime=pool) == list(range(10))
    assert held() == before
    try:
        task(fragile).partial(always=True).map(x=range(10)).run(runtime=pool)
    except WorkerDiedError as error:
        print(error)
    assert held() == before
os._exit(0)
"""


@pytest.mark.parametrize("how", ["ignored", "a thread waits for all children"])
@pytest.mark.parametrize("method", METHODS)
def test_programs_that_reap_their_children_themselves_may_run(method: str, how: str, launch: Launch) -> None:
    """As servers and supervisors do: the exit code of a worker may be lost, and nothing else."""
    out, errors = launch(REAPED, method, how).communicate(timeout=50)
    assert errors == ""
    assert "while it ran task 'fragile' on item 3; started 3 times" in out
    code = re.search(r"the worker ended \((.*)\)", out)
    assert code is not None
    assert code[1] in ({"signal SIGKILL"} if method == "forkserver" else {"exit code unknown", "signal SIGKILL"})
