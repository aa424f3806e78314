"""The soak: random pipelines while their workers are killed at random; `make soak`.

First many runs of every ending, then many deaths of the coordinator, then the pipelines: for the time given, and until
so many workers were killed while they held an item. Each result must be what plain Python gives, each item must be
yielded and saved once and in order, and nothing may be left. Prints what it saw; any difference is an exit code of 1.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import functools
import gc
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from daglite import compile, task
from daglite.exceptions import failure_of
from daglite.options import RuntimeName
from daglite.run_options import RunOptions
from daglite.runtime import Processes
from tests.conftest import held, left_running, settled
from tests.faults.scripts import children_of, gone_within, start, wait_for
from tests.faults.soak.steps import STEPS, Refused, Value, fold, made, marked, total
from tests.faults.test_nothing_accumulates import ENDINGS, resident, shared
from tests.faults.test_saves_under_fire import KILLED, check_store

MIB = 1024 * 1024


@dataclass(frozen=True)
class Case:
    """One pipeline, as plain data."""

    seed: int
    items: int
    size: int
    steps: tuple[tuple[str, int, float], ...]
    sink: str
    compiling: dict[str, Any]
    running: RunOptions
    kept: bool

    @property
    def refused(self) -> int | None:
        """The item that fails, if there is one."""
        found = [k for name, k, _ in self.steps if name == "refuse" and k < self.items]
        return min(found, default=None)


def drawn(rng: random.Random) -> Case:
    """A random case of some tenths of a second."""
    items = rng.choice([0, 1, 5, 40, 200, 200, 400])
    pause = rng.choice([0.0, 0.0005, 0.002]) * min(1.0, 200 / max(items, 1))
    names = rng.choices(["shift", "scramble", "grow"], k=rng.randint(1, 4)) + ["refuse"] * (rng.random() < 0.15)
    steps = tuple((name, rng.randint(0, 2 * items), pause) for name in names)
    compiling: dict[str, Any] = {"optimize": rng.random() < 0.85, "helper_thread": rng.random() < 0.9}
    compiling["max_in_flight"] = rng.choice([None, None, 1, 4, 33])
    compiling["max_batch_size"] = rng.choice([None, None, 1, 7])
    running = RunOptions(workers=rng.randint(1, 3), start_method=rng.choice(["fork", "fork", "forkserver", "spawn"]))
    if rng.random() < 0.2:
        running["max_items_per_worker"] = rng.choice([max(1, items // 4), 100])
    size = rng.choice([0, 10, 10, 2000, 200_000 if items < 100 else 10])
    sink = rng.choice(["collect", "reduce", "unordered", "join", "stream"])
    return Case(rng.getrandbits(32), items, size, steps, sink, compiling, running, rng.random() < 0.3)


class Recorder:
    """A store that remembers."""

    def __init__(self) -> None:
        self.saved: list[tuple[str, object]] = []

    def save(self, key: str, value: object) -> None:
        self.saved.append((key, value))


def expected(case: Case) -> object:
    """What plain Python gives."""
    values = []
    for index in range(case.items):
        value = made(index, case.seed, case.size)
        for name, k, _ in case.steps:
            if name != "refuse":
                value = STEPS[name](value, k)
        values.append(value)
    match case.sink:
        case "collect" | "stream":
            return values
        case "join":
            return len(values), values
        case _:
            return functools.reduce(fold if case.sink == "reduce" else total, values, 1)


def run(case: Case, marks: str) -> str | None:
    """Run a case on daglite; what is wrong with it, or None."""
    yielded: list[int] = []
    store = Recorder()

    @task
    def items() -> Iterator[Value]:
        for index in range(case.items):
            yielded.append(index)
            yield made(index, case.seed, case.size)

    stream: Any = items.iter().save("{iteration_index}", save_store=store)
    for name, k, pause in case.steps:
        stream = stream.then(task(marked(STEPS[name], k, pause, marks), name=name))
    if case.sink in ("reduce", "unordered"):
        chosen = task(fold if case.sink == "reduce" else total, name="folded")
        stream = stream.reduce(chosen, initial=1, ordered=case.sink == "reduce")
    elif case.sink == "join":
        stream = stream.join(task(lambda values: (len(values), values), name="joined"))
    plan = compile(stream, **case.compiling)
    try:
        result = list(plan.stream(**options(case))) if case.sink == "stream" else outcome(plan, case)
    except Refused as error:
        facts = failure_of(error)
        if facts is None or facts.index != case.refused:
            return f"item {case.refused} should be refused; got {facts}"
    else:
        if case.refused is not None:
            return "no error although an item is refused"
        if result != expected(case):
            return "another result"
    return misplaced(case, yielded, store)


def options(case: Case) -> RunOptions:
    return RunOptions(worker_retries=100, **case.running)


def outcome(plan: Any, case: Case) -> object:
    """What the run gives, on workers of its own or on those of a pool."""
    if not case.kept:
        return plan.run(**options(case))
    with Processes(**case.running) as pool:  # type: ignore[misc]
        return plan.run(runtime=pool, worker_retries=100)


def misplaced(case: Case, yielded: list[int], store: Recorder) -> str | None:
    """Whether an item was yielded or saved twice, out of order, or not at all."""
    count = len(store.saved)
    if case.compiling["optimize"] and yielded not in (list(range(count)), list(range(count + 1))):
        return f"yielded {yielded} and saved {count}"
    if store.saved != [(str(index), made(index, case.seed, case.size)) for index in range(count)]:
        return "saved other values, or in another order"
    least = case.items if case.refused is None else case.refused + 1
    return None if count >= least else f"saved {count} of at least {least}"


@dataclass
class Report:
    """What was seen."""

    lines: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        print(line, flush=True)
        self.lines.append(line)


def in_use() -> int:
    """Bytes of memory in use, without what the allocator keeps for later."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return resident()


@contextlib.contextmanager
def leaving_nothing(report: Report, what: str) -> Iterator[None]:
    """Compare what this process holds before and after."""
    before, processes, blocks, memory = held(), left_running(), shared(), in_use()
    yield
    left = settled(held, before) + settled(left_running, processes) + sorted(shared() - blocks)
    grown = (in_use() - memory) / MIB
    report.say(f"  {what}: {len(left)} things left, memory {grown:+.1f} MiB")
    report.wrong += left + ([f"{what}: memory grew by {grown:.1f} MiB"] if grown > 16 else [])


def many_runs(report: Report, runs: int, runtime: RuntimeName) -> None:
    sinks = ENDINGS[runtime]
    with tempfile.TemporaryDirectory() as folder:
        for sink in sinks:
            sink(folder, runtime)
        with leaving_nothing(report, f"{runs} runs of {len(sinks)} endings on {runtime}"):
            for sink in islice(cycle(sinks), runs):
                sink(folder, runtime)


def crashes(report: Report, times: int) -> None:
    """The coordinator is killed at random moments while it saves."""
    rng, keys = random.Random(times), 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for crash in range(times):
            (folder / "yielded").unlink(missing_ok=True)
            process = start(folder, KILLED, ["fork", "forkserver", "spawn"][crash % 3])
            wait_for(folder / "yielded")
            time.sleep(rng.uniform(0, 0.3))
            workers = children_of(process.pid)
            process.kill()
            process.communicate()
            report.wrong += [f"orphan {pid}" for pid in gone_within(workers, 2)]
            keys += check_store(folder)
            for file in (folder / "store").rglob("*.pkl"):
                file.unlink()
    report.say(f"  {times} kills of the coordinator: {keys} keys in the stores, all whole")


def under_kills(report: Report, seconds: float, least: int, seed: int) -> None:
    rng, seen, runs, begun = random.Random(seed), Counter[str](), Counter[str](), time.monotonic()
    with tempfile.TemporaryDirectory() as name, leaving_nothing(report, "random pipelines"):
        marks, kills = Path(name, "marks"), Path(name, "kills")
        marks.mkdir()
        command = [
            sys.executable,
            "-m",
            "tests.faults.soak.killer",
            str(os.getpid()),
            str(marks),
            str(kills),
            str(seed),
        ]
        killer = subprocess.Popen(command)
        try:
            while (time.monotonic() - begun < seconds or seen["h"] < least) and killer.poll() is None:
                case = drawn(rng)
                try:
                    wrong = run(case, str(marks))
                except Exception as error:
                    wrong = f"{type(error).__name__}: {error} {getattr(error, '__notes__', '')}"
                report.wrong += [f"{wrong}: {case}"] if wrong else []
                before, seen = seen, Counter(kills.read_text() if kills.exists() else "")
                runs.update(["all", f"{case.running['start_method']}", *["hit"] * (seen["h"] > before["h"])])
                runs["items"] += case.items
        finally:
            killer.kill()
            killer.wait()
    methods = ", ".join(f"{runs[method]} {method}" for method in ("fork", "forkserver", "spawn"))
    took = time.monotonic() - begun
    report.say(f"  {runs['all']} random pipelines ({methods}), {runs['items']} items, in {took:.0f} s")
    report.say(f"  {seen['h']} workers killed while they held an item, in {runs['hit']} runs; {seen['i']} besides")
    report.wrong += ["too few kills"] if seen["h"] < least else []


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600, help="how long the random pipelines go on")
    parser.add_argument("--kills", type=int, default=200, help="workers to kill while they hold an item, at least")
    parser.add_argument("--runs", type=int, default=1000, help="runs of all endings")
    parser.add_argument("--crashes", type=int, default=100, help="kills of the coordinator")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    given, report = parser.parse_args(), Report()
    report.say(f"soak, seed {given.seed}")
    for runtime in ENDINGS:
        many_runs(report, given.runs, runtime)
    crashes(report, given.crashes)
    under_kills(report, given.seconds, given.kills, given.seed)
    for wrong in report.wrong[:20]:
        report.say(f"WRONG {wrong}")
    report.say(f"{len(report.wrong)} differences")
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
