"""What was seen of a run while something happened to its cluster."""

from __future__ import annotations

import contextlib
import os
import signal
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from daglite import Plan, compile, task
from daglite.options import Runtime

__all__ = ["POISON", "Seen", "poisoned", "spread", "watch", "work"]

# The item that kills its worker in the plan `poisoned`.
POISON = 100


@task
def count(n: int) -> Iterator[int]:
    yield from range(n)


def work(n: int) -> Plan[list[int]]:
    """Items of 20 ms, in batches of at most five."""

    @task
    def slow(x: int) -> int:
        time.sleep(0.02)
        return x

    return compile(count.iter(n=n).then(slow), max_batch_size=5)


def poisoned(n: int) -> Plan[list[int]]:
    """As `work`, with an item that kills whoever runs it."""

    @task
    def deadly(x: int, poison: int) -> int:
        time.sleep(0.02)
        if x == poison:
            os.kill(os.getpid(), signal.SIGKILL)
        return x

    return compile(count.iter(n=n).then(deadly, poison=POISON), max_batch_size=5)


@dataclass
class Seen:
    """The items that came, the longest time without one, all of the time, and the error if there was one."""

    items: list[int] = field(default_factory=list)
    gap: float = 0.0
    seconds: float = 0.0
    error: Exception | None = None


def watch(
    plan: Plan[list[int]],
    opened: Callable[[], contextlib.AbstractContextManager[Runtime]],
    event: Callable[[], None],
    *,
    ordered: bool = True,
) -> Seen:
    """Stream a plan, and have something happen after its tenth item, beside it."""
    seen, beside = Seen(), threading.Thread(target=event)
    began = last = time.monotonic()
    try:
        with opened() as runtime, plan.stream(runtime=runtime, ordered=ordered) as items:
            for item in items:
                now = time.monotonic()
                seen.items.append(item)
                if len(seen.items) == 10:
                    beside.start()
                elif len(seen.items) > 10:
                    seen.gap = max(seen.gap, now - last)
                last = now
    except Exception as error:
        seen.error = error
    seen.seconds = time.monotonic() - began
    if beside.ident is not None:
        beside.join()
    return seen


def spread(values: list[float]) -> str:
    """The median, and the least and most."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"
