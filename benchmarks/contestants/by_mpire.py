"""mpire: `WorkerPool.imap`."""

from __future__ import annotations

from mpire import WorkerPool

from benchmarks.shape import Entry, Job

__all__ = ["map_fold"]


def map_fold(job: Job, entry: Entry, /) -> object:
    """Ways: its defaults for a generator, or told the length."""
    length = job.ends if entry.way == "told the length" else None
    with WorkerPool(n_jobs=entry.workers) as pool:
        return job.folded(pool.imap(job.together, job.items(), iterable_len=length, chunk_size=entry.chunk))
