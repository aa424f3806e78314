"""`multiprocessing.Pool.imap` of the standard library."""

from __future__ import annotations

import multiprocessing

from benchmarks.shape import Entry, Job

__all__ = ["map_fold"]

# What the pool would take here by itself up to Python 3.13.
FORK = multiprocessing.get_context("fork")


def map_fold(job: Job, entry: Entry, /) -> object:
    """The chunk is 1 unless set by hand."""
    with FORK.Pool(entry.workers) as pool:
        return job.folded(pool.imap(job.together, job.items(), chunksize=entry.chunk or 1))
