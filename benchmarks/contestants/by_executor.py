"""`concurrent.futures` of the standard library."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor

from benchmarks.shape import Entry, Job

__all__ = ["map_fold"]

FORK = multiprocessing.get_context("fork")


def map_fold(job: Job, entry: Entry, /) -> object:
    """Ways: processes, threads, or `places` (the first step on 32 threads, the second on processes). The chunk is 1
    unless set by hand.
    """
    if entry.way == "places":
        first, last = job.steps
        with ThreadPoolExecutor(32) as threads, ProcessPoolExecutor(entry.workers, mp_context=FORK) as processes:
            return job.folded(processes.map(last, threads.map(first, job.items()), chunksize=entry.chunk or 1))
    executor: Executor
    if entry.way == "threads":
        executor = ThreadPoolExecutor(entry.workers)
    else:
        executor = ProcessPoolExecutor(entry.workers, mp_context=FORK)
    with executor:
        return job.folded(executor.map(job.together, job.items(), chunksize=entry.chunk or 1))
