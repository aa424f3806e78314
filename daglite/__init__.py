"""Run typed, lazy streams of tasks on processes, threads or a cluster, with bounded memory.

A task is a function with the decorator `@task`. Calling a task, or its methods `.iter` and `.map`, gives a future: a
step of a pipeline that has not run. Futures have methods that add steps. `compile` turns a future into a plan, which
can be read before it runs.

    >>> from collections.abc import Iterator
    >>> from daglite import compile, task
    >>> @task
    ... def numbers(n: int) -> Iterator[int]:
    ...     yield from range(n)
    >>> @task
    ... def square(x: int) -> int:
    ...     return x * x
    >>> @task
    ... def add(total: int, x: int) -> int:
    ...     return total + x
    >>> plan = compile(numbers.iter(n=10).then(square).reduce(add, initial=0))
    >>> plan.run(runtime="threads", workers=2)
    285

Build a pipeline
    task, Task, StreamTask        functions as tasks: `.iter`, `.map`, `.partial`, `.with_options`
    from_iterable, ref            an iterable as a stream; a future typed as its value
    IterFuture, MapTaskFuture     streams: `.then`, `.filter`, `.batch`, `.join`, `.reduce`, `.save`, ...
    TaskFuture, ReduceFuture      single values: `.then`, `.save`
    Retry, Failed, item_seed      retries, items that failed, reproducible random numbers
    DatasetStore                  the store of saves, a folder of files
Compile and run it
    compile                       the options of a plan: `max_in_flight`, `max_batch_size`, ...
    Plan                          `.explain()`, `.run()`, `.run_async()`, `.stream()`, `.replay(failure)`
    run_options.RunOptions        the options of a run: `runtime`, `workers`, `store`, `progress`, ...
    runtime                       engines with options: `Processes`, `Threads`, `Inline`, `Dask`, `Ray`
    exceptions                    every error, and `failure_of(error)`: task, item, attempt, worker
Watch and test it
    events, observe               what happens in a run, and `Report`, `Timeline`, `Logging`
    testing                       checks of tasks and random pipelines, with Hypothesis
    mypy_plugin                   checks of pipelines that plain types cannot express
    python -m daglite --help      the command line: explain, run, timeline, doctor
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from daglite import datasets, exceptions, ir
from daglite.datasets.store import DatasetStore
from daglite.failed import Failed
from daglite.futures import Future, IterFuture, MapTaskFuture, ReduceFuture, TaskFuture, from_iterable, ref
from daglite.plan import ItemStream, Plan
from daglite.retry import Retry
from daglite.task_context import item_seed
from daglite.tasks import PartialStreamTask, PartialTask, StreamTask, Task, task

if TYPE_CHECKING:
    from daglite import events as events, observe as observe, runtime as runtime
    from daglite.compile import compile as compile
else:
    import daglite.compile
    from daglite.lazy import lazy

    # Loaded at the first run, because it imports multiprocess and dill; the others with the first observer.
    runtime = lazy("daglite.runtime")
    events, observe = lazy("daglite.events"), lazy("daglite.observe")

__version__ = "0.1.0"

__all__ = [
    "DatasetStore",
    "Failed",
    "Future",
    "ItemStream",
    "IterFuture",
    "MapTaskFuture",
    "PartialStreamTask",
    "PartialTask",
    "Plan",
    "ReduceFuture",
    "Retry",
    "StreamTask",
    "Task",
    "TaskFuture",
    "compile",
    "datasets",
    "events",
    "exceptions",
    "from_iterable",
    "ir",
    "item_seed",
    "observe",
    "ref",
    "runtime",
    "task",
]
