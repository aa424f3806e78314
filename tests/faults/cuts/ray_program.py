"""`python -m tests.faults.cuts.ray_program ADDRESS PLAN ITEMS`: a program on another machine than a Ray cluster.

It says when ten items have come, and at the end in one line what has.
"""

from __future__ import annotations

import contextlib
import json
import sys

from daglite.runtime import Ray
from tests.faults.cuts.watching import poisoned, watch, work

__all__ = ["TOLD"]

# What its last line begins with.
TOLD = "told: "


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
