"""Memory that is used again: never while anybody looks at it, and no more of it than a limit."""

from __future__ import annotations

import sys
import threading

import numpy as np

from daglite.runtime.transport.buffer_pool import BufferPool

SIZE = 100_000
MIB = 1024 * 1024


def test_memory_is_used_again_when_nobody_looks_at_it() -> None:
    spares = BufferPool()
    first, second = spares.copy(memoryview(b"a" * SIZE)), spares.copy(memoryview(b"b" * SIZE))
    memory = first.obj
    part = np.frombuffer(first, dtype=np.uint8)[10:20]
    del first
    third = spares.copy(memoryview(b"c" * SIZE))
    assert third.obj is not memory
    assert (bytes(part), bytes(second[:2]), bytes(third[:2])) == (b"a" * 10, b"bb", b"cc")
    del part
    fourth = spares.copy(memoryview(b"d" * SIZE))
    assert fourth.obj is memory
    assert bytes(fourth) == b"d" * SIZE
    assert (bytes(second[:2]), bytes(third[:2])) == (b"bb", b"cc")


def test_of_several_that_of_last_time_is_used() -> None:
    spares = BufferPool()
    views = [spares.allocate(SIZE) for _ in range(4)]
    last = views[-1].obj
    views.clear()
    for _ in range(10):
        assert spares.allocate(SIZE).obj is last


def test_memory_that_is_much_larger_is_left_alone() -> None:
    spares = BufferPool()
    del (large := [spares.allocate(SIZE)])[0]
    assert not large
    a_little_less, half = spares.allocate(SIZE - SIZE // 10), spares.allocate(SIZE // 2)
    assert len(a_little_less) == SIZE - SIZE // 10
    assert isinstance(a_little_less.obj, bytearray)
    assert isinstance(half.obj, bytearray)
    assert (len(a_little_less.obj), len(half.obj)) == (SIZE, SIZE // 2)
    assert len(spares.allocate(SIZE)) == SIZE


def test_memory_that_somebody_keeps_for_good_does_not_fill_the_place_of_others() -> None:
    spares = BufferPool()
    kept = [spares.allocate(SIZE) for _ in range(100)]
    places = set()
    for number in range(50):
        view = spares.copy(memoryview(bytes([number]) * SIZE))
        places.add(id(view.obj))
        assert view[0] == number
        del view
    assert len(places) == 1
    assert len({id(view.obj) for view in kept}) == 100


def test_no_more_is_kept_than_a_limit() -> None:
    spares = BufferPool()
    views = [spares.allocate(24 * MIB) for _ in range(3)]
    objects = [view.obj for view in views]
    views.clear()
    again = [spares.allocate(24 * MIB) for _ in range(3)]
    assert sum(any(view.obj is one for one in objects) for view in again) == 2
    too_large = spares.allocate(65 * MIB).obj
    assert spares.allocate(65 * MIB).obj is not too_large


def test_nothing_and_what_is_cleared_is_not_kept() -> None:
    spares = BufferPool()
    assert len(spares.allocate(0)) == len(spares.copy(memoryview(b""))) == 0
    memory = spares.allocate(SIZE).obj
    spares.clear()
    assert spares.allocate(SIZE).obj is not memory


def test_no_two_threads_are_given_the_same() -> None:
    spares, mixed = BufferPool(), list[int]()

    def fill(number: int) -> None:
        for _ in range(300):
            view = spares.copy(memoryview(bytes([number]) * SIZE))
            if view.tobytes().count(number) != SIZE:
                mixed.append(number)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=fill, args=(number,)) for number in range(1, 5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert not mixed
