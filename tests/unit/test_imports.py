"""What is loaded when: the start of a program is the sum of its imports, and modules can be counted without a clock."""

from __future__ import annotations

import json
import subprocess
import sys

# Each takes as long to load as most small programs to run.
HEAVY = {"asyncio", "concurrent.futures", "dill", "multiprocess", "multiprocessing", "numpy", "subprocess", "tempfile"}
# Some milliseconds each, and seldom needed.
SELDOM = {
    "difflib",
    "hashlib",
    "pathlib",
    "urllib.parse",
    "logging",
    "daglite.tokens",
    "daglite.explain",
    "daglite.runtime",
}

RUN = """
from daglite import task
@task
def double(x: int) -> int:
    return 2 * x
assert double.map(x=range(10)).run(workers=2, start_method="fork") == list(range(0, 20, 2))
"""


def loaded_by(code: str) -> set[str]:
    """The modules that a fresh Python has after this code, and not without it."""
    report = "import sys, json; print(json.dumps(list(sys.modules)))"
    found = []
    for text in ("", code):
        done = subprocess.run(
            [sys.executable, "-c", f"{text}\n{report}"], check=True, capture_output=True, text=True, timeout=60
        )
        found.append(set(json.loads(done.stdout)))
    return found[1] - found[0]


def test_importing_daglite_loads_little() -> None:
    found = loaded_by("import daglite")
    assert not found & HEAVY
    assert not found & SELDOM
    assert len([name for name in found if name.startswith("daglite")]) < 60


def test_a_run_on_forked_workers_needs_neither_multiprocess_nor_dill() -> None:
    assert not loaded_by(RUN) & HEAVY


def test_what_was_put_off_is_there_when_asked_for() -> None:
    found = loaded_by("import daglite; daglite.runtime.Processes")
    assert "daglite.runtime.engines.config" in found
