"""Places a run may be called from: threads, loops, the end of the interpreter, other test runners, poor houses."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from daglite import compile, task
from daglite.options import RuntimeName, StartMethod
from daglite.runtime import Processes
from tests.faults.scripts import Launch, gone_within
from tests.tasks import count, double

pytestmark = pytest.mark.timeout(60)
METHODS: list[StartMethod] = ["fork", "forkserver", "spawn"]


LOCK = threading.Lock()


@task
def careful(x: int) -> int:
    logging.getLogger("busy").warning("in the worker")
    with LOCK:
        return x * 2


TWENTY = [2 * i for i in range(20)]


def test_a_run_in_a_thread_works(crew: RuntimeName, nothing_left: None) -> None:
    results: list[list[int]] = []
    thread = threading.Thread(target=lambda: results.append(count.iter(n=20).then(double).run(runtime=crew, workers=2)))
    thread.start()
    thread.join(40)
    assert results == [TWENTY]


def test_several_runs_at_once_beside_threads_that_log_and_hold_locks(crew: RuntimeName, nothing_left: None) -> None:
    """A forked worker would find some of these locks held for ever, so that with threads nobody is forked."""
    log, stop, results = logging.getLogger("busy"), threading.Event(), list[list[int]]()
    log.addHandler(logging.NullHandler())
    log.propagate = False

    def disturb() -> None:
        while not stop.is_set():
            with LOCK:
                log.warning("busy %d", threading.get_ident())
            time.sleep(0)

    disturbing = [threading.Thread(target=disturb) for _ in range(3)]
    running = [
        threading.Thread(target=lambda: results.append(count.iter(n=20).then(careful).run(runtime=crew, workers=2)))
        for _ in range(3)
    ]
    for thread in disturbing + running:
        thread.start()
    for thread in running:
        thread.join(40)
    stop.set()
    for thread in disturbing:
        thread.join()
    assert results == [TWENTY] * 3


def test_a_run_inside_a_running_loop_works(crew: RuntimeName, nothing_left: None) -> None:
    async def main() -> list[int]:
        return count.iter(n=20).then(double).run(runtime=crew, workers=2)

    assert asyncio.run(main()) == TWENTY


AT_EXIT = """
import atexit, sys
from daglite import task

@task
def count(n: int):
    yield from range(n)

@task
def double(x: int) -> int:
    return x * 2

@atexit.register
def last():
    print(count.iter(n=5).then(double).run(workers=2, start_method=sys.argv[1]))
"""


@pytest.mark.parametrize("method", ["auto", *METHODS])
def test_a_run_in_an_exit_handler_works(method: str, launch: Launch) -> None:
    out, errors = launch(AT_EXIT, method).communicate(timeout=40)
    if method == "fork" and sys.version_info >= (3, 12) and errors:
        # Python itself refuses to fork there; who has not asked for it does not notice.
        assert "ExecutionError: this Python does not fork while the interpreter ends; use `start_method`" in errors
        return
    assert out == "[0, 2, 4, 6, 8]\n", errors
    assert errors == ""


DAEMON = """
import os, sys, threading, time
from pathlib import Path
from daglite import task

@task
def endless():
    yield from iter(int, 1)

@task
def work(x):
    Path(f"ready-{os.getpid()}").touch()
    time.sleep(600)

threading.Thread(target=lambda: endless.iter().then(work).run(workers=6), daemon=True).start()
while len(list(Path().glob("ready-*"))) < 6:
    time.sleep(0.01)
print("leaving")
"""


def test_an_interpreter_that_ends_takes_the_run_of_a_daemon_thread_along(launch: Launch, tmp_path: Path) -> None:
    """Again and again: the thread goes on meanwhile, and must not replace workers for ever."""
    for _ in range(4):
        out, errors = launch(DAEMON).communicate(timeout=20)
        assert (out, errors) == ("leaving\n", "")
        started = [int(one.name.partition("-")[2]) for one in tmp_path.glob("ready-*")]
        assert len(started) >= 6
        assert gone_within(started, 2) == []
        for one in tmp_path.glob("ready-*"):
            one.unlink()


ABANDONED = """
import atexit, os, sys
from pathlib import Path

def last():
    # Registered before daglite, so it runs after daglite's own handler; multiprocess has ended its fork server by then.
    if sys.argv[1] != "forkserver":
        print(double.map(x=[3, 4]).run(runtime=pool), double.map(x=[5]).run(workers=1, start_method=sys.argv[1]))

atexit.register(last)

from daglite import compile, task
from daglite.runtime import Processes

@task
def endless():
    yield from iter(int, 1)

@task
def double(x: int) -> int:
    Path(f"ready-{os.getpid()}").touch()
    return 2 * x

pool = Processes(workers=2, start_method=sys.argv[1])
pool.__enter__()
print(double.map(x=[1, 2]).run(runtime=pool))
items = compile(endless.iter().then(double)).stream(workers=2, start_method=sys.argv[1])
print(next(items))
"""


@pytest.mark.parametrize("method", METHODS)
def test_an_interpreter_that_ends_takes_along_what_nobody_closed(method: str, launch: Launch, tmp_path: Path) -> None:
    """A stream, a pool; and a handler of the user's that runs last of all still has workers."""
    out, errors = launch(ABANDONED, method).communicate(timeout=30)
    if method == "fork" and sys.version_info >= (3, 12) and errors:
        # Where Python does not fork any more, see above.
        assert "ExecutionError: this Python does not fork while the interpreter ends" in errors
    else:
        late = "" if method == "forkserver" else "[6, 8] [10]\n"
        assert (out, errors) == ("[2, 4]\n0\n" + late, "")
    assert gone_within([int(one.name.partition("-")[2]) for one in tmp_path.glob("ready-*")], 2) == []


XDIST = """
from daglite import task

@task
def count(n: int):
    yield from range(n)

def test_one():
    assert count.iter(n=5).then(task(lambda x: x * 2)).run(workers=2) == [0, 2, 4, 6, 8]

def test_two():
    assert count.iter(n=5).then(task(lambda x: x * 3)).run(workers=2) == [0, 3, 6, 9, 12]
"""


def test_runs_work_under_xdist(tmp_path: Path) -> None:
    (tmp_path / "test_inner.py").write_text(XDIST)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", str(tmp_path)]
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


CLOSED = """
import os, sys
from pathlib import Path
for number in (0, 1, 2):
    os.close(number)
if sys.argv[2] == "none":
    sys.stdin = sys.stdout = sys.stderr = None
from daglite import task

@task
def count(n: int):
    yield from range(n)

@task
def double(x: int) -> int:
    if sys.stdout is not None and sys.argv[2] == "none":
        print("somewhere")
    return x * 2

try:
    text = str(count.iter(n=5).then(double).run(workers=2, start_method=sys.argv[1]))
except BaseException as error:
    text = repr(error)
Path("result").write_text(text)
os._exit(0)
"""


@pytest.mark.parametrize("how", ["closed", "none"])
@pytest.mark.parametrize("method", METHODS)
def test_a_run_without_standard_streams_works(method: str, how: str, launch: Launch, tmp_path: Path) -> None:
    """The numbers 0 to 2 are then given to sockets: nothing may print into them."""
    launch(CLOSED, method, how).communicate(timeout=40)
    assert (tmp_path / "result").read_text() == "[0, 2, 4, 6, 8]"


def limit_for(spare: int) -> int:
    """The limit that leaves so many numbers for new descriptors: those in use may have gaps."""
    used = {int(number) for number in os.listdir("/proc/self/fd")}
    return [number for number in range(10_000) if number not in used][spare]


@pytest.mark.parametrize(
    ("method", "spares"), [("fork", range(1, 18)), ("forkserver", range(1, 18, 3)), ("spawn", [1, 9])]
)
def test_too_few_descriptors_are_an_oserror_and_the_next_run_is_healthy(
    method: StartMethod, spares: list[int], nothing_left: None
) -> None:
    """Whichever descriptor is the first that cannot be had, and whoever asks for it."""
    plan = compile(count.iter(n=20).then(double))
    assert plan.run(workers=2, start_method=method) == TWENTY
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    outcomes = []
    for spare in spares:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit_for(spare), limits[1]))
        try:
            outcomes.append(str(plan.run(workers=2, start_method=method)))
        except OSError as error:
            outcomes.append(str(error))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert outcomes[0] == "[Errno 24] Too many open files"
    assert set(outcomes) <= {"[Errno 24] Too many open files", str(TWENTY)}
    assert plan.run(workers=2, start_method=method) == TWENTY


@task
def threads_of(_: int) -> tuple[str | None, ...]:
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    return tuple(os.environ.get(name) for name in names)


@pytest.mark.parametrize("method", METHODS)
def test_numerical_libraries_share_the_processors(method: StartMethod, monkeypatch: pytest.MonkeyPatch) -> None:
    each = str(max(1, len(os.sched_getaffinity(0)) // 2))
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    assert set(count.iter(n=4).then(threads_of).run(workers=2, start_method=method)) == {(each,) * 4}
    assert "OMP_NUM_THREADS" not in os.environ


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_thread_limits_that_are_set_stay(method: StartMethod, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "17")
    assert {found[0] for found in count.iter(n=4).then(threads_of).run(workers=2, start_method=method)} == {"17"}


MULTIPLYING = """
import os, sys
from daglite import task

@task
def multiplied(x: int) -> int:
    import numpy
    square = numpy.ones((400, 400))
    for _ in range(3):
        square = square @ square / 400
    return len(os.listdir("/proc/self/task"))

processors = len(os.sched_getaffinity(0))
print(set(multiplied.map(x=range(4)).run(workers=processors, start_method=sys.argv[1])))
"""


@pytest.mark.parametrize("method", METHODS)
def test_a_matrix_product_in_a_worker_starts_no_threads_when_each_processor_has_a_worker(
    method: str, launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For real: the threads that the operating system counts in the worker afterwards."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    out, errors = launch(MULTIPLYING, method).communicate(timeout=50)
    assert (out, errors) == ("{1}\n", "")


def echoed(x: int) -> str:
    done = subprocess.run([sys.executable, "-S", "-c", f"print({x} * 2)"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def threaded(x: int) -> int:
    sums: list[int] = []
    threads = [threading.Thread(target=lambda i=i: sums.append(x + i)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(sums)


@pytest.mark.parametrize("method", METHODS)
def test_tasks_may_start_programs_and_threads(method: StartMethod, nothing_left: None) -> None:
    with Processes(workers=2, start_method=method) as pool:
        assert count.iter(n=4).then(task(echoed)).run(runtime=pool) == ["0", "2", "4", "6"]
        assert count.iter(n=4).then(task(threaded)).run(runtime=pool) == [6, 10, 14, 18]


def test_a_program_started_during_a_run_does_not_keep_it_open(nothing_left: None) -> None:
    """It inherits no socket of the run: the run ends although the program goes on."""

    @task
    def starting(n: int) -> Iterator[int]:
        for i in range(n):
            if i == 3:
                started.append(subprocess.Popen(["sleep", "600"], close_fds=False))
            yield i

    started: list[subprocess.Popen[bytes]] = []
    try:
        assert count.iter(n=20).then(double).run(workers=2) == TWENTY
        assert starting.iter(n=20).then(double).run(workers=2) == TWENTY
        (program,) = started
        kept = [os.readlink(one) for one in Path(f"/proc/{program.pid}/fd").iterdir()]
        assert not [one for one in kept if one.startswith("socket:")]
    finally:
        for program in started:
            program.kill()
            program.wait()
