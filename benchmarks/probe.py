"""One contestant, one round: `python -m benchmarks.probe WORKLOAD ENTRY ITEMS SPINS`, in a process of its own.

The last line it prints is JSON: a sample, or why there is none.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from benchmarks.catalogue import workload
from benchmarks.shape import Absent, Facts, Workload

__all__ = ["main", "outcome"]


def outcome(found: Workload, entry: str, items: int, facts: Facts) -> dict[str, object]:
    """The sample as plain data, or {"absent": why}, or {"failed": what went wrong}."""
    try:
        return asdict(found.measure(found.entry(entry), items, facts))
    except Absent as reason:
        return {"absent": str(reason)}
    except Exception as error:  # a peer's failure belongs into the table
        lines = str(error).strip().splitlines() or [""]
        return {"failed": f"{type(error).__name__}: {lines[0]}"}


def main(arguments: Sequence[str]) -> None:
    """The command."""
    name, entry, items, spins = arguments
    print(json.dumps(outcome(workload(name), entry, int(items), Facts(int(spins)))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
