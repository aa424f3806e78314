"""The hand-written limits: what a program for one job, with none of a library's promises, comes to."""

from __future__ import annotations

import itertools
import multiprocessing
import pickle
import queue
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import cast

from benchmarks.shape import Entry, Job

__all__ = ["map_fold"]

FORK = multiprocessing.get_context("fork")
AHEAD = 2


def map_fold(job: Job, entry: Entry, /) -> object:
    """Ways: loop, shares (processes), thread shares, pipes, fed."""
    match entry.way:
        case "loop":
            return _loop(job)
        case "shares":
            return _shares(job, entry.workers)
        case "thread shares":
            return _thread_shares(job, entry.workers)
        case "pipes":
            return _pipes(job, entry)
        case "fed":
            return _fed(job, entry)
        case other:
            raise ValueError(f"no way called {other!r}")


def _loop(job: Job) -> object:
    """What there is to do; one or two steps, each called by its name."""
    fold, total = job.fold, job.initial
    if len(job.steps) == 2:
        first, second = job.steps
        for item in job.items():
            total = fold(total, second(first(item)))
    else:
        step = job.together
        for item in job.items():
            total = fold(total, step(item))
    return total


def _share(job: Job, number: int, shares: int) -> object:
    """Every so many-th item, from a source of its own."""
    return job.folded(map(job.together, itertools.islice(job.items(), number, None, shares)))


def _merged(job: Job, totals: Sequence[object]) -> object:
    assert job.merge is not None, "a job that is shared out needs a merge"
    merge, total = job.merge, totals[0]
    for other in totals[1:]:
        total = merge(total, other)
    return total


def _shares(job: Job, workers: int) -> object:
    """The most there is to gain: each process knows its share from the start and sends back one value."""
    links, processes = [], []
    for number in range(workers):
        ours, theirs = FORK.Pipe()
        processes.append(FORK.Process(target=_send_share, args=(theirs, job, number, workers)))
        processes[-1].start()
        links.append(ours)
    totals = [link.recv() for link in links]
    for process in processes:
        process.join()
    return _merged(job, totals)


def _send_share(link: Connection, job: Job, number: int, shares: int) -> None:
    link.send(_share(job, number, shares))


def _thread_shares(job: Job, workers: int) -> object:
    """The same with threads."""
    totals: list[object] = [None] * workers

    def fill(number: int) -> None:
        totals[number] = _share(job, number, workers)

    threads = [threading.Thread(target=fill, args=(number,)) for number in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return _merged(job, totals)


class _Crew:
    """Forked workers, each with a pipe; an empty message ends one."""

    def __init__(self, job: Job, workers: int) -> None:
        pipes = [FORK.Pipe() for _ in range(workers)]
        self.links = [ours for ours, _ in pipes]
        self._processes = [FORK.Process(target=_serve, args=(theirs, job)) for _, theirs in pipes]
        for process in self._processes:
            process.start()

    def end(self) -> None:
        for link in self.links:
            link.send_bytes(b"")
        for process in self._processes:
            process.join()


def _serve(link: Connection, job: Job) -> None:
    step = job.together
    while message := link.recv_bytes():
        link.send_bytes(pickle.dumps([step(item) for item in pickle.loads(message)], 5))


def _batches(job: Job, size: int) -> Iterator[bytes]:
    items = job.items()
    while batch := list(itertools.islice(items, size)):
        yield pickle.dumps(batch, 5)


def _pipes(job: Job, entry: Entry) -> object:
    """Pickled batches, two under way to each worker; folded in order, with no bound on what waits for its turn."""
    crew = _Crew(job, entry.workers)
    total = job.folded(itertools.chain.from_iterable(_answers(crew.links, _batches(job, entry.chunk or 1))))
    crew.end()
    return total


def _answers(links: Sequence[Connection], messages: Iterator[bytes]) -> Iterator[list[object]]:
    """The answers to the messages, in their order."""
    numbered = enumerate(messages)
    owed: dict[Connection, deque[int]] = {link: deque() for link in links}
    early: dict[int, bytes] = {}
    turn = 0
    for link in [*links] * AHEAD:
        _send_next(link, numbered, owed)
    while busy := [link for link, numbers in owed.items() if numbers]:
        for ready in wait(busy):
            link = cast("Connection", ready)
            early[owed[link].popleft()] = link.recv_bytes()
            _send_next(link, numbered, owed)
        while turn in early:
            yield pickle.loads(early.pop(turn))
            turn += 1


def _send_next(link: Connection, numbered: Iterator[tuple[int, bytes]], owed: dict[Connection, deque[int]]) -> None:
    if (following := next(numbered, None)) is not None:
        number, message = following
        owed[link].append(number)
        link.send_bytes(message)


def _fed(job: Job, entry: Entry) -> object:
    """One item in a message, sent by a thread while this one folds: nothing ever waits for the source."""
    crew, order = _Crew(job, entry.workers), queue.SimpleQueue[Connection | None]()

    def feed() -> None:
        for message, link in zip(_batches(job, 1), itertools.cycle(crew.links), strict=False):
            link.send_bytes(message)
            order.put(link)
        order.put(None)

    feeder = threading.Thread(target=feed)
    feeder.start()
    total = job.folded(pickle.loads(link.recv_bytes())[0] for link in iter(order.get, None) if link is not None)
    feeder.join()
    crew.end()
    return total
