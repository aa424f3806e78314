"""`python -m tests.cuts.ray_program ADDRESS PLAN ITEMS`: a program on a machine of its own, beside a Ray cluster.

It says when ten items have come, and at the end in one line what has.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time

from daglite import Plan, compile, task
from daglite.runtime import Ray
from tests.cuts.watching import count, watch, work

__all__ = ["POISON", "TOLD"]

# What its last line begins with.
TOLD = "told: "
# The item that kills its worker in the plan "poison".
POISON = 100


def poisoned(n: int) -> Plan[list[int]]:
    """As `work`, with an item that kills whoever runs it."""

    @task
    def deadly(x: int, poison: int) -> int:
        time.sleep(0.02)
        if x == poison:
            os.kill(os.getpid(), signal.SIGKILL)
        return x

    return compile(count.iter(n=n).then(deadly, poison=POISON), batch=5)


def main(address: str, plan: str, items: str) -> None:
    """The command. It tells before it leaves the cluster: where the head is gone, that takes Ray long."""
    chosen = poisoned if plan == "poison" else work
    with contextlib.ExitStack() as stack:
        seen = watch(
            chosen(int(items)),
            lambda: contextlib.nullcontext(stack.enter_context(Ray(address))),
            lambda: print("ten items", flush=True),
        )
        error = None if seen.error is None else f"{type(seen.error).__name__}: {seen.error}"
        told = {"items": seen.items, "gap": seen.gap, "seconds": seen.seconds, "error": error}
        print(f"{TOLD}{json.dumps(told)}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
