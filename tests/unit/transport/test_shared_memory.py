"""Large buffers in shared memory: what arrives is what was sent, whoever writes to it or keeps it; nothing is left."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
import types
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from daglite import compile, task
from daglite.exceptions import failure_of
from daglite.options import StartMethod
from daglite.runtime import Processes
from daglite.runtime.transport.frames import Frame, FrameReader, FrameWriter, Kind, apply_release, release_frame
from daglite.runtime.transport.shared_memory import SHARED_BYTES, Arena, Mappings

Array = npt.NDArray[np.float64]
SIZE = SHARED_BYTES // 8 + 1


@task
def refilled(n: int) -> Iterator[Array]:
    """One buffer, filled anew for each item."""
    buffer = np.empty(SIZE)
    for i in range(n):
        buffer[:] = i
        yield buffer


@task
def spoiled(array: Array) -> float:
    """The value, after which the task's own copy is of no use to anybody."""
    value = float(array[0])
    assert np.all(array == value)
    array[:] = -1
    return value


@task
def more(array: Array) -> Array:
    return array + 1


METHODS: list[StartMethod] = ["fork", "forkserver", "spawn"]


@pytest.mark.parametrize("method", METHODS)
def test_a_buffer_that_is_used_again_arrives_as_it_was(method: StartMethod, nothing_left: None) -> None:
    assert refilled.iter(n=40).then(spoiled).run(workers=2, start_method=method) == list(range(40))


def test_results_that_are_kept_stay_as_they_are(nothing_left: None) -> None:
    found = refilled.iter(n=100).then(more).run(workers=2)
    assert [float(array[0]) for array in found] == list(range(1, 101))
    assert all(np.all(array == array[0]) for array in found)
    for array in found:
        array[:] = 0
    found.clear()


def test_a_consumer_may_keep_some_and_drop_others(nothing_left: None) -> None:
    kept: list[Array] = []
    with compile(refilled.iter(n=60).then(more)).stream(workers=2) as items:
        for index, array in enumerate(items):
            assert np.all(array == index + 1)
            if index % 7 == 0:
                kept.append(array)
    assert [float(array[-1]) for array in kept] == [index + 1 for index in range(0, 60, 7)]


def test_a_fold_may_look_back(nothing_left: None) -> None:
    def note(last: deque[Array], array: Array) -> deque[Array]:
        last.append(array)
        return last

    last = refilled.iter(n=50).then(more).reduce(task(note), initial=deque[Array](maxlen=3)).run(workers=2)
    assert [float(array[0]) for array in last] == [48.0, 49.0, 50.0]
    last.clear()


def test_a_second_try_sees_what_the_first_saw(tmp_path: Path, nothing_left: None) -> None:
    def fragile(array: Array, marks: str) -> float:
        value = float(array[0])
        assert np.all(array == value)
        array[:] = -1
        mark = Path(marks) / str(value)
        if value % 5 == 2 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return value

    assert refilled.iter(n=20).then(task(fragile), marks=str(tmp_path)).run(workers=2) == list(range(20))


def test_nothing_has_a_name_that_could_be_left(tmp_path: Path, nothing_left: None) -> None:
    def look(array: Array) -> list[str]:
        return [name for name in os.listdir("/dev/shm") if "daglite" in name]

    before = set(os.listdir("/dev/shm"))
    assert refilled.iter(n=3).then(task(look)).run(workers=1) == [[], [], []]
    assert {name for name in set(os.listdir("/dev/shm")) - before if "daglite" in name} == set()


def test_tasks_may_keep_what_they_were_given(nothing_left: None) -> None:
    seen: list[Array] = []

    def hoard(array: Array) -> float:
        seen.append(array)
        return float(sum(one[0] for one in seen))

    assert refilled.iter(n=100).then(task(hoard)).run(workers=1) == [i * (i + 1) / 2 for i in range(100)]


def test_kept_workers_share_with_each_run_anew(nothing_left: None) -> None:
    with Processes(workers=2) as pool:
        for _ in range(3):
            assert refilled.iter(n=20).then(more).then(spoiled).run(runtime=pool) == list(range(1, 21))


def test_without_shared_memory_it_goes_through_the_socket(monkeypatch: pytest.MonkeyPatch, nothing_left: None) -> None:
    def refuse(*_: object) -> int:
        raise OSError("no memory files here")

    monkeypatch.setattr("os.memfd_create", refuse)
    assert refilled.iter(n=20).then(more).then(spoiled).run(workers=2, start_method="fork") == list(range(1, 21))


def test_a_failing_item_is_shown(nothing_left: None) -> None:
    def fail(array: Array) -> float:
        raise ValueError("no")

    with pytest.raises(ValueError, match=r"^no\n") as caught:
        refilled.iter(n=3).then(task(fail)).run(workers=1)
    facts = failure_of(caught.value)
    assert facts is not None
    assert facts.index == 0
    assert "array([0., 0., 0." in (facts.item or "")


# The two sides, in one process.


def wired() -> tuple[Arena, FrameWriter, FrameReader, socket.socket, socket.socket]:
    ours, theirs = socket.socketpair()
    arena = Arena()
    return arena, FrameWriter(arena), FrameReader(), ours, theirs


def send(writer: FrameWriter, reader: FrameReader, ours: socket.socket, theirs: socket.socket, *parts: Any) -> Any:
    writer.push(Frame(Kind.BATCH, segments=parts))
    writer.flush(ours)
    (frame,) = reader.read(theirs)
    return frame


def test_a_block_is_used_again_when_nobody_looks_at_it(nothing_left: None) -> None:
    arena, writer, reader, ours, theirs = wired()
    with ours, theirs:
        numbers = []
        for value in (b"a", b"b", b"c"):
            view = arena.put(memoryview(value * SHARED_BYTES))
            assert view is not None
            block = arena.block_of(view)
            assert block is not None
            numbers.append(block.number)
            frame = send(writer, reader, ours, theirs, b"head", view)
            assert bytes(frame.segments[1]) == value * SHARED_BYTES
            if value == b"a":
                # Somebody looks at it: it does not come back, and the next one is another.
                kept = frame.segments[1]
                assert release_frame(reader) is None
            del frame, view
            if (settled := release_frame(reader)) is not None:
                apply_release(arena, settled)
        assert len(set(numbers)) == 2
        assert numbers[1] == numbers[2]
        assert bytes(kept) == b"a" * SHARED_BYTES
        del kept
        reader.mappings.close()
        arena.close()


def test_old_views_that_stay_in_use_are_given_away(nothing_left: None) -> None:
    arena, writer, reader, ours, theirs = wired()
    with ours, theirs:
        kept = []
        for value in range(50):
            view = arena.put(memoryview(bytes([value]) * SHARED_BYTES))
            kept.append(send(writer, reader, ours, theirs, b"head", view).segments[1])
            if (settled := release_frame(reader)) is not None:
                apply_release(arena, settled)
        assert [bytes(one) for one in kept] == [bytes([value]) * SHARED_BYTES for value in range(50)]
        kept.clear()
        reader.mappings.close()
        arena.close()


def test_a_new_run_that_arrives_with_the_end_of_the_last_keeps_its_blocks(nothing_left: None) -> None:
    arena, writer, reader, ours, theirs = wired()
    with ours, theirs:
        view = arena.put(memoryview(b"a" * SHARED_BYTES))
        last = send(writer, reader, ours, theirs, b"head", view)
        writer.push(Frame(Kind.RESET))
        new = arena.put(memoryview(b"b" * SHARED_BYTES))
        assert new is not None
        writer.push(Frame(Kind.BATCH, segments=[b"head", new]))
        writer.flush(ours)
        reset, first = reader.read(theirs)
        assert reset.kind is Kind.RESET
        again = send(writer, reader, ours, theirs, b"head", new)
        found = [bytes(frame.segments[1]) for frame in (last, first, again)]
        assert found == [b"a" * SHARED_BYTES, b"b" * SHARED_BYTES, b"b" * SHARED_BYTES]
        del view, last, new, first, again
        # Of the blocks of the last run nothing more is said.
        settled = release_frame(reader)
        assert settled is not None
        assert [len(numbers) // 8 for numbers in settled.segments] == [2, 0]
        reader.mappings.close()
        arena.close()


def test_small_buffers_are_not_worth_a_block() -> None:
    arena = Arena()
    assert arena.put(memoryview(bytes(SHARED_BYTES - 1))) is None
    assert arena.block_of(b"") is None
    assert arena.block_of(memoryview(b"")) is None
    assert Mappings().released() == ([], [])


def test_a_view_is_private(nothing_left: None) -> None:
    arena, writer, reader, ours, theirs = wired()
    with ours, theirs:
        view = arena.put(memoryview(bytes(SHARED_BYTES)))
        assert view is not None
        first = send(writer, reader, ours, theirs, b"head", view)
        first.segments[1][:5] = b"spoil"
        again = send(writer, reader, ours, theirs, b"head", view)
        assert bytes(again.segments[1][:5]) == bytes(5)
        assert bytes(view[:5]) == bytes(5)
        del first, again, view
        reader.mappings.close()
        arena.close()


def test_a_fork_beside_a_capture_does_not_wait_for_its_lock(nothing_left: None) -> None:
    arena = Arena()
    assert arena.put(memoryview(bytes(SHARED_BYTES))) is not None
    # Another thread is in the middle of a capture.
    thread = threading.Thread(target=arena._lock.acquire)
    thread.start()
    thread.join()
    pid = os.fork()
    if pid == 0:
        signal.alarm(10)
        os._exit(0 if arena.put(memoryview(b"")) is None else 1)
    assert os.waitpid(pid, 0)[1] == 0
    # A lock whose owner has ended is given up with the arena.
    arena._lock = threading.RLock()
    arena.close()


def test_a_child_that_a_task_forks_keeps_seeing_its_item(nothing_left: None) -> None:
    """Its view of the block is a copy of the worker's, which does not know when the child is done with it."""

    def seen(array: Array) -> int:
        value = int(array[0])
        if value == 3:
            ours, theirs = os.pipe()
            if os.fork() == 0:
                time.sleep(0.3)
                os.write(theirs, bytes([int(array[-1])]))
                os._exit(0)
            os.close(theirs)
            waiting.append(ours)
        return os.read(waiting[0], 1)[0] if value == 39 else value

    waiting: list[int] = []
    found = refilled.iter(n=40).then(task(seen)).run(workers=1)
    assert found[39] == 3


def test_one_item_may_have_more_buffers_than_a_message_takes_descriptors(nothing_left: None) -> None:
    @task
    def many() -> Iterator[list[Array]]:
        yield [np.full(SIZE, float(i)) for i in range(260)]

    def firsts(arrays: list[Array]) -> list[float]:
        return [float(array[0]) for array in arrays]

    assert many.iter().then(task(firsts)).run(workers=1) == [[float(i) for i in range(260)]]


def test_kept_workers_hold_no_more_descriptors_after_many_runs(nothing_left: None) -> None:
    def descriptors(array: Array) -> int:
        return len(os.listdir("/proc/self/fd"))

    with Processes(workers=1) as pool:
        counts = [max(refilled.iter(n=8).then(task(descriptors)).run(runtime=pool)) for _ in range(12)]
    # A block or two more or less at work at that moment; before it was mended, each run added four and more.
    assert max(counts) <= min(counts) + 8


def test_items_that_only_dill_can_pickle_leave_no_block_behind(nothing_left: None) -> None:
    @task
    def odd(n: int) -> Iterator[tuple[Array, object]]:
        for i in range(n):
            yield np.full(SIZE, float(i)), types.MappingProxyType({"i": i})

    def look(item: tuple[Array, Any]) -> tuple[float, int]:
        return float(item[0][0]), item[1]["i"]

    assert odd.iter(n=200).then(task(look)).run(workers=1) == [(float(i), i) for i in range(200)]
