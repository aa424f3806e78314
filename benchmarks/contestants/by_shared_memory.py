"""The hand-written limit for arrays: forked workers, a block of shared memory for each, tokens in pipes."""

from __future__ import annotations

import mmap
import multiprocessing
from collections import deque
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import NamedTuple

import numpy as np

from benchmarks.shape import Entry, Job

__all__ = ["map_fold"]

FORK = multiprocessing.get_context("fork")
MOST = 16_000_000


class _Worker(NamedTuple):
    """A process, its pipe and its block."""

    link: Connection
    block: mmap.mmap


def map_fold(job: Job, entry: Entry, /) -> object:
    """One item at a time for each worker; arrays are copied in and out of its block, all else goes by pipe."""
    workers, processes = [], []
    for _ in range(entry.workers):
        (ours, theirs), block = FORK.Pipe(), mmap.mmap(-1, MOST)
        processes.append(FORK.Process(target=_serve, args=(_Worker(theirs, block), job)))
        processes[-1].start()
        workers.append(_Worker(ours, block))
    total = job.folded(_answers(job, workers))
    for worker in workers:
        worker.link.send(None)
    for process in processes:
        process.join()
    return total


def _answers(job: Job, workers: list[_Worker]) -> Iterator[object]:
    free, busy = list(workers), deque[_Worker]()
    for item in job.items():
        if not free:
            worker = busy.popleft()
            yield _taken(worker)
            free.append(worker)
        worker = free.pop()
        _give(worker, item)
        busy.append(worker)
    for worker in busy:
        yield _taken(worker)


def _serve(worker: _Worker, job: Job) -> None:
    while (told := worker.link.recv()) is not None:
        size, value = told
        item = np.frombuffer(worker.block, np.float64, size) if size else value
        _give(worker, job.together(item))


def _give(worker: _Worker, value: object) -> None:
    if isinstance(value, np.ndarray):
        np.frombuffer(worker.block, np.float64, value.size)[:] = value
        worker.link.send((value.size, None))
    else:
        worker.link.send((0, value))


def _taken(worker: _Worker) -> object:
    """An array is copied: the block will hold the next one."""
    size, value = worker.link.recv()
    return np.frombuffer(worker.block, np.float64, size).copy() if size else value
