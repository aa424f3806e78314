"""streamable: `stream(...).map(...)`."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

from streamable import stream

from benchmarks.shape import Entry, Job

__all__ = ["map_fold"]

FORK = multiprocessing.get_context("fork")


def map_fold(job: Job, entry: Entry, /) -> object:
    """Ways: chained (one `map` for each step), inline, threads, processes (the chain as one function)."""
    source = stream(job.items())
    match entry.way:
        case "chained":
            for step in job.steps:
                source = source.map(step)
            return job.folded(iter(source))
        case "inline":
            return job.folded(iter(source.map(job.together)))
        case "threads":
            return job.folded(iter(source.map(job.together, concurrency=entry.workers)))
        case _:
            with ProcessPoolExecutor(entry.workers, mp_context=FORK) as executor:
                return job.folded(iter(source.map(job.together, concurrency=executor)))
