"""No deadlock: everything keeps flowing, whoever is large, slow or noisy."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

import pytest

from daglite import Future, Plan, compile, task
from daglite.options import RuntimeName
from tests.faults.scripts import Launch
from tests.tasks import count, double

pytestmark = pytest.mark.timeout(60)

MIB = 1024 * 1024
WINDOWS = pytest.mark.parametrize("window", [1, 8, None])


@task
def blocks(n: int, size: int) -> Iterator[bytes]:
    for i in range(n):
        yield bytes([i]) * size


@task
def boxes(n: int, size: int) -> Iterator[list[bytearray]]:
    """Pickled when yielded, unlike `blocks`; the buffers lie beside the pickle."""
    for i in range(n):
        yield [bytearray([i]) * size]


@task
def grown(x: bytes) -> bytes:
    return x + x[:1]


@task
def grown_box(box: list[bytearray]) -> list[bytearray]:
    box[0].append(box[0][0])
    return box


@task
def ends(pieces: list[tuple[int, int]], x: bytes) -> list[tuple[int, int]]:
    return [*pieces, (x[-1], len(x))]


@task
def box_ends(pieces: list[tuple[int, int]], box: list[bytearray]) -> list[tuple[int, int]]:
    return [*pieces, (box[0][-1], len(box[0]))]


def compiled(pipeline: Future[list[int]], window: int | None) -> Plan[list[int]]:
    return compile(pipeline, max_in_flight=window)


@WINDOWS
def test_large_items_and_results_flow_both_ways_at_once(
    crew: RuntimeName, window: int | None, nothing_left: None
) -> None:
    """8 MB go out and come back, while the next 8 MB are on their way: more than any buffer between them takes."""
    size, n = 8 * MIB, 6
    expected = [(i, size + 1) for i in range(n)]
    raw = blocks.iter(n=n, size=size).then(grown).reduce(ends, initial=[])
    assert compile(raw, max_in_flight=window).run(runtime=crew, workers=2) == expected
    boxed = boxes.iter(n=n, size=size).then(grown_box).reduce(box_ends, initial=[])
    assert compile(boxed, max_in_flight=window).run(runtime=crew, workers=2) == expected


@WINDOWS
def test_all_workers_send_while_the_coordinator_sends(
    crew: RuntimeName, window: int | None, nothing_left: None
) -> None:
    """Items of 300 kB are larger than a socket's buffer, and cheap: everybody is sending nearly all the time."""
    size, n = 300_000, 120
    raw = blocks.iter(n=n, size=size).then(grown).reduce(ends, initial=[], ordered=False)
    assert sorted(compile(raw, max_in_flight=window).run(runtime=crew, workers=2)) == [(i, size + 1) for i in range(n)]


@WINDOWS
def test_a_slow_consumer_gets_everything(crew: RuntimeName, window: int | None, nothing_left: None) -> None:
    """Workers that cannot deliver because nobody takes wait, and go on when somebody does."""
    plan = compile(blocks.iter(n=12, size=MIB).then(grown), max_in_flight=window)
    got = []
    with plan.stream(runtime=crew, workers=2) as items:
        for item in items:
            time.sleep(0.02)
            got.append((item[0], len(item)))
    assert got == [(i, MIB + 1) for i in range(12)]


@WINDOWS
def test_a_slow_source_loses_nothing(crew: RuntimeName, window: int | None, nothing_left: None) -> None:
    @task
    def slow(n: int) -> Iterator[int]:
        for i in range(n):
            time.sleep(0.02)
            yield i

    plan = compiled(slow.iter(n=25).then(double), window)
    assert plan.run(runtime=crew, workers=2) == [2 * i for i in range(25)]
    with plan.stream(runtime=crew, workers=2) as items:
        assert list(items) == [2 * i for i in range(25)]


@WINDOWS
@pytest.mark.parametrize("helper_thread", [True, False])
def test_bursts_lose_nothing(crew: RuntimeName, window: int | None, helper_thread: bool, nothing_left: None) -> None:
    @task
    def bursts(n: int, size: int) -> Iterator[int]:
        for i in range(n):
            yield from range(i * size, (i + 1) * size)
            time.sleep(0.03)

    plan = compile(bursts.iter(n=8, size=250).then(double), max_in_flight=window, helper_thread=helper_thread)
    assert plan.run(runtime=crew, workers=2) == [2 * i for i in range(2000)]


@WINDOWS
def test_an_item_that_takes_long_holds_nobody_for_ever(
    crew: RuntimeName, window: int | None, nothing_left: None
) -> None:
    """The first of all items is the last to be done: the others wait for it within the window."""

    def first_is_slow(x: int) -> int:
        time.sleep(0.3 if x == 0 else 0)
        return x

    pipeline = count.iter(n=3000).then(task(first_is_slow))
    assert compiled(pipeline, window).run(runtime=crew, workers=2) == list(range(3000))


NOISY = """
import logging, sys
from daglite import compile, task

@task
def count(n: int):
    yield from range(n)

@task
def noisy(x: int) -> int:
    for line in range(200):
        print(f"{x} prints line {line} of many " + "." * 60)
        logging.getLogger("noisy").warning("%d logs line %d of many %s", x, line, "." * 60)
    return x

window = int(sys.argv[1]) or None
plan = compile(count.iter(n=20).then(noisy), max_in_flight=window)
assert plan.run(workers=2, start_method=sys.argv[2]) == list(range(20))
print("whole")
"""


@pytest.mark.parametrize(("window", "method"), [(1, "fork"), (8, "spawn"), (0, "fork"), (0, "forkserver")])
def test_tasks_that_print_and_log_a_lot_do_not_block(window: int, method: str, launch: Launch) -> None:
    """More than a pipe holds of output and of log records, next to the answers; nothing of it is lost."""
    out, errors = launch(NOISY, str(window), method).communicate(timeout=40)
    assert out.splitlines()[-1:] == ["whole"], errors[-2000:]
    # Two processes write to one pipe: their lines may be cut into each other, but every byte arrives.
    printed = "".join(f"{x} prints line {line} of many {'.' * 60}\n" for x in range(20) for line in range(200))
    assert Counter(out) == Counter(printed + "whole\n")
    # These all come from the coordinator.
    logged = {f"{x} logs line {line} of many {'.' * 60}" for x in range(20) for line in range(200)}
    assert set(errors.splitlines()) == logged


def test_single_calls_and_generators_carry_large_values(crew: RuntimeName, nothing_left: None) -> None:
    first = grown(x=bytes(8 * MIB))
    second = grown(x=b"\1" * 8 * MIB)
    both = task(lambda a, b: (len(a), len(b)), name="both")(a=first, b=second).run(runtime=crew, workers=2)
    assert both == (8 * MIB + 1, 8 * MIB + 1)
    plain = compile(blocks.iter(n=5, size=4 * MIB), optimize=False).run(runtime=crew, workers=2)
    assert [(one[0], len(one)) for one in plain] == [(i, 4 * MIB) for i in range(5)]
