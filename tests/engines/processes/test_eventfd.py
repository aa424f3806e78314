"""The event counter that wakes a worker: notified before or during its sleep, or when the coordinator is gone."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator

import pytest

from daglite.runtime.engines.processes.eventfd import EventFd, EventFdReader


@pytest.fixture
def ends() -> Iterator[tuple[EventFd, EventFdReader, socket.socket]]:
    bell = EventFd.create()
    assert bell is not None
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield bell, EventFdReader(bell.fd, theirs), ours
    bell.close()


def test_a_ring_before_the_sleep_is_not_lost(
    ends: tuple[EventFd, EventFdReader, socket.socket], nothing_left: None
) -> None:
    bell, post, _ = ends
    bell.notify()
    bell.notify()
    post.sleep()
    # Both notifications end one sleep: the next lasts until the next notification.
    rung: list[bool] = []

    def ring() -> None:
        rung.append(True)
        bell.notify()

    later = threading.Timer(0.05, ring)
    later.start()
    post.sleep()
    assert rung
    later.join()


def test_data_alone_does_not_wake_but_the_end_does(ends: tuple[EventFd, EventFdReader, socket.socket]) -> None:
    _, post, ours = ends
    woken = threading.Event()

    def sleep() -> None:
        post.sleep()
        woken.set()

    sleeper = threading.Thread(target=sleep)
    sleeper.start()
    ours.send(b"data")
    assert not woken.wait(0.1)
    ours.close()
    assert woken.wait(10)
    sleeper.join()


def test_where_there_are_no_event_counters_there_is_no_bell(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> int:
        raise OSError("no event counters here")

    monkeypatch.setattr(os, "eventfd", refuse)
    assert EventFd.create() is None


def test_closing_twice_is_harmless() -> None:
    bell = EventFd.create()
    assert bell is not None
    bell.close()
    bell.close()
    assert bell.fd == -1
