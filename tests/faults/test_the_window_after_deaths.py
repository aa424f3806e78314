"""What dies under way leaves nothing behind in the window: no item, no result, not one byte."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from daglite import Future, compile, task
from daglite.runtime.dataflow.flow_control import FlowControl


@task
def sizes(n: int) -> Iterator[bytes]:
    """Large and small items, so that no two parts of a batch weigh the same."""
    for x in range(n):
        yield bytes([x]) * (1 + x * 37 % 1000)


def dies(item: bytes, folder: str, at: tuple[int, ...], most: int) -> bytes:
    """Items with these numbers end their workers, each so many times."""
    if item[0] in at and len(list(Path(folder).glob(f"{item[0]}_*"))) < most:
        Path(folder, f"{item[0]}_{os.getpid()}").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def sleeps(item: bytes, at: int) -> bytes:
    time.sleep(30 if item[0] == at else 0)
    return item


def doubled(item: bytes) -> Iterator[bytes]:
    """A result in several pieces, so long that it takes its time."""
    for _ in range(300):
        yield item * 40


def length(total: int, item: bytes) -> int:
    return total + len(item)


def added(one: int, other: int) -> int:
    return one + other


def mapped(folder: str) -> Future[Any]:
    return sizes.iter(n=120).then(task(dies), folder=folder, at=(7, 60, 95), most=1)


def failing_for_good(folder: str) -> Future[Any]:
    return sizes.iter(n=120).then(task(dies, on_error="skip"), folder=folder, at=(7, 60), most=9)


def over_their_limit(folder: str) -> Future[Any]:
    return (
        sizes.iter(n=40)
        .then(task(sleeps, timeout=0.3, on_error="skip"), at=9)
        .then(task(dies), folder=folder, at=(20,), most=1)
    )


def in_pieces(folder: str) -> Future[Any]:
    return sizes.iter(n=30).then(task(dies), folder=folder, at=(7, 8, 20), most=1).flat_map(task(doubled))


def folded(folder: str) -> Future[Any]:
    stream = sizes.iter(n=120).then(task(dies), folder=folder, at=(7, 60, 95), most=1)
    return stream.reduce(task(length), initial=0, combine=added, empty=0)


@pytest.mark.parametrize("pipeline", [mapped, failing_for_good, over_their_limit, in_pieces, folded])
@pytest.mark.parametrize("most", [None, 7])
def test_nothing_is_left_in_the_window(
    pipeline: Callable[[str], Future[Any]], most: int | None, windows: list[FlowControl], tmp_path: Path
) -> None:
    """Also where workers are renewed, and the batch of a dead one is more than another may still take."""
    options: dict[str, Any] = {} if most is None else {"max_items_per_worker": most}
    compile(pipeline(str(tmp_path)), max_batch_size=30).run(runtime="processes", workers=2, **options)

    assert list(tmp_path.iterdir()), "nobody has died"
    assert {(window.in_flight, window.nbytes) for window in windows} == {(0, 0)}
