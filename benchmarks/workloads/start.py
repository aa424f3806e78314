"""start: a whole process that gives ten items to two workers and ends, its imports compiled before."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

from benchmarks.clocks import cost_of
from benchmarks.doing import PEERS
from benchmarks.shape import WORKERS, Absent, Entry, Facts, Sample, Workload

__all__ = ["WORKLOADS"]

DOUBLE = "def double(x: int) -> int: return 2 * x\n"
# Each prints what it computed; `import` lines stand first and are timed by the process itself.
SCRIPTS = {
    "python alone": ("", "answer = 90"),
    "import multiprocessing": ("import multiprocessing.pool", "answer = 90"),
    "import daglite": ("import daglite", "answer = 90"),
    "imap": (
        "import multiprocessing.pool",
        f"with multiprocessing.get_context('fork').Pool({WORKERS}) as pool: answer = sum(pool.imap(double, range(10)))",
    ),
    "executor": (
        "import multiprocessing, concurrent.futures.process",
        f"with concurrent.futures.ProcessPoolExecutor({WORKERS}, multiprocessing.get_context('fork')) as pool:\n"
        "    answer = sum(pool.map(double, range(10)))",
    ),
    "daglite": (
        "import daglite",
        f"answer = sum(daglite.task(double).map(x=range(10)).run(workers={WORKERS}))",
    ),
    "joblib": (
        "import joblib",
        f"answer = sum(joblib.Parallel({WORKERS})(joblib.delayed(double)(x) for x in range(10)))",
    ),
    "mpire": ("import mpire", f"with mpire.WorkerPool({WORKERS}) as pool: answer = sum(pool.imap(double, range(10)))"),
    "streamable": (
        "import multiprocessing, concurrent.futures.process, streamable",
        f"with concurrent.futures.ProcessPoolExecutor({WORKERS}, multiprocessing.get_context('fork')) as pool:\n"
        "    answer = sum(streamable.stream(range(10)).map(double, concurrency=pool))",
    ),
}


def script(name: str) -> str:
    """The whole program."""
    imports, work = SCRIPTS[name]
    clock = "from time import perf_counter\nbegan = perf_counter()\n"
    return f"{clock}{imports}\ntook = perf_counter() - began\n{DOUBLE}{work}\nprint(answer, took)"


def started(name: str) -> float:
    """Run it; gives the seconds that its imports took."""
    done = subprocess.run([sys.executable, "-c", script(name)], check=True, stdout=subprocess.PIPE, text=True)
    answer, took = done.stdout.split()
    if answer != "90":
        raise ValueError(f"{name} gives {answer}; right is 90")
    return float(took)


def measure(entry: Entry, items: int, facts: Facts) -> Sample:
    """Once for nothing, so that all is compiled and in the page cache, and once on the clock."""
    if entry.name in PEERS and importlib.util.find_spec(entry.name) is None:
        raise Absent("not installed")
    started(entry.name)
    imports, cost = cost_of(lambda: started(entry.name))
    return Sample(1e3 * cost.seconds, *cost, {"import ms": 1e3 * imports})


START = Workload(
    name="start",
    what="a whole process with ten items on two workers",
    unit="ms",
    better="less",
    items=10,
    quick=1,
    entries=(
        Entry("python alone", "", kind="limit"),
        Entry("import multiprocessing", "", kind="limit"),
        Entry("import daglite", "", kind="daglite"),
        Entry("daglite", "", kind="daglite"),
        *(Entry(name, "") for name in ("imap", "executor", "streamable", "mpire", "joblib")),
    ),
    measure=measure,
    beside=("imap",),
)

WORKLOADS = (START,)
