"""The runtime runs a program; it never imports the ir or the compiler.

The layers, from the plan to the bytes; a module imports only its own layer and those below it:

| layer | what it does with data |
|---|---|
| `scheduler` | runs the stages of a plan, and builds the driver of each stream |
| `metrics` | turns what happens in a run into events for observers |
| `local` | runs a stream in this process, and moves it to workers when that pays |
| `dataflow` | runs a stream through workers: source, batches, redelivery, reorder buffer, sink |
| `engines` | send work items to workers, and return their results: processes, threads, clusters |
| `kernel` | runs a batch in a worker: the chain of tasks, retries, folds, generators |
| `serialization` | turns items, results, functions and errors into bytes and back |
| `transport` | moves bytes: frames on sockets, shared memory, log records |
"""

from __future__ import annotations

from daglite.runtime.engines.config import Dask, Inline, Processes, Ray, Threads

__all__ = ["Dask", "Inline", "Processes", "Ray", "Threads"]
