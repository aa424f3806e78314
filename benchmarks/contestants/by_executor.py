"""`concurrent.futures` of the standard library."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor

from benchmarks.shape import Entry, Job

__all__ = ["map_fold"]

FORK = multiprocessing.get_context("fork")


def map_fold(job: Job, entry: Entry, /) -> object:
    """Ways: processes, threads. The chunk is 1 unless set by hand."""
    executor: Executor
    if entry.way == "threads":
        executor = ThreadPoolExecutor(entry.workers)
    else:
        executor = ProcessPoolExecutor(entry.workers, mp_context=FORK)
    with executor:
        return job.folded(executor.map(job.together, job.items(), chunksize=entry.chunk or 1))
