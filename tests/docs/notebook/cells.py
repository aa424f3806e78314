"""What the cells of the tested notebook hold, in order."""

from __future__ import annotations

__all__ = ["CELLS"]

CELLS = {
    "future": """
import time
from collections.abc import Iterator

import daglite
from daglite import task

started = []


@task
def orders(n: int) -> Iterator[int]:
    started.append(n)
    yield from range(n)


@task
def priced(order: int, seconds: float = 0.0) -> float:
    time.sleep(seconds)
    return order * 1.5


@task
def add(total: float, price: float) -> float:
    return total + price


pipeline = orders.iter(n=20).then(priced, seconds=0.2).reduce(add, initial=0.0)
pipeline
""",
    "plan": "plan = daglite.compile(pipeline)\nplan",
    "others": "for shown in (orders.iter(n=5), orders.iter(n=5).then(priced), priced(order=2)):\n    display(shown)",
    "nothing ran": "started",
    "progress": "plan.run(workers=2)",
    "silence": "plan.run(workers=2, progress=False)",
    "await": "await plan.run_async(workers=2)",
    "threads": "plan.run(runtime='threads', workers=2)",
    "quick": "orders.iter(n=5).then(priced).run(workers=2)",
    "bars": "from daglite.observe.bars import ProgressBars\nplan.run(workers=2, progress=ProgressBars())",
    "stream": """
with daglite.compile(orders.iter(n=10_000).then(priced)).stream(workers=2) as items:
    print(next(items), next(items), next(items))
""",
    "error": """
@task
def inverse(order: int) -> float:
    return 1 / (order - 3)


orders.iter(n=9).then(inverse).run(workers=2)
""",
    "interrupt": """
import os
import signal
import threading

threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
orders.iter(n=1000).then(priced, seconds=0.2).run(workers=2)
""",
    "afterwards": "orders.iter(n=3).then(priced).run(workers=2)",
    "nothing left": """
from pathlib import Path

[
    command.read_bytes()
    for command in Path("/proc").glob("[0-9]*/cmdline")
    if (command.parent / "stat").read_text().rpartition(")")[2].split()[1] == str(os.getpid())
    and not any(servant in command.read_bytes() for servant in (b"forkserver", b"resource_tracker"))
]
""",
}
