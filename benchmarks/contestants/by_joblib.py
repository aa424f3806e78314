"""joblib: `Parallel`, with results as a generator."""

from __future__ import annotations

import joblib

from benchmarks.shape import Entry, Job

__all__ = ["map_fold"]


def map_fold(job: Job, entry: Entry, /) -> object:
    """Ways: loky (its default), threading, sequential."""
    parallel = joblib.Parallel(n_jobs=entry.workers, backend=entry.way or "loky", return_as="generator")
    step = joblib.delayed(job.together)
    return job.folded(parallel(step(item) for item in job.items()))
