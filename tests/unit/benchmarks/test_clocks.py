"""The clocks see all processes and the highest peak."""

from __future__ import annotations

import gc
import mmap
import subprocess
import sys
from collections.abc import Iterator

import pytest

from benchmarks.clocks import cost_of, processor

BUSY = "import sys, time\nwhile time.process_time() < 0.3: pass\nprint('done', flush=True)\nsys.stdin.read()"


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process that uses processor time, says so, and waits."""
    with subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield process


def test_processor_time_of_children_counts_before_and_after_their_end(child: subprocess.Popen[bytes]) -> None:
    before = processor()
    assert child.stdout is not None
    child.stdout.readline()

    living = processor() - before
    child.communicate()
    ended = processor() - before

    # Ticks of a hundredth of a second, on both ends.
    assert living > 0.2
    assert ended > 0.2


def pages(size: int) -> int:
    """Touch new pages: the allocator may serve `bytes` from pages that it kept when other tests freed them."""
    with mmap.mmap(-1, size) as new:
        return new.write(b"x" * size)


def test_peak_counts_what_was_given_back() -> None:
    length, cost = cost_of(lambda: pages(50_000_000))

    assert length == 50_000_000
    assert cost.peak > 40


def test_garbage_of_before_does_not_hide_the_peak() -> None:
    held = mmap.mmap(-1, 80_000_000)
    held.write(b"x" * 80_000_000)
    garbage: list[object] = [held]
    garbage.append(garbage)
    del garbage, held

    def collects() -> int:
        gc.collect()
        return pages(50_000_000)

    assert cost_of(collects)[1].peak > 40


def test_peak_of_before_does_not_count() -> None:
    cost_of(lambda: pages(50_000_000))

    _, cost = cost_of(lambda: None)

    assert cost.peak < 20
