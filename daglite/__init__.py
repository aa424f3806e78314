"""daglite: typed lazy streams of tasks, compiled to a plan you can read, run on every core with bounded memory.

The map of the house, in the direction in which data flows:

    tasks, futures   what users hold: typed builders            binding      arguments meet parameters
    ir               frozen nodes, walks over them              functions    a user's function as data
    compile          check, rewrite (rules), lower              program      flat steps, data only
    plan, explain    the compiled result and its text           loop         a stream's loop as text
    runtime          one loop, many engines                     cli          the command line
    datasets, keys   where saves go                             tokens       what makes two things the same
    options          frozen option records                      exceptions   the tree of errors
    events           what happens in a run, as records          observe      report, progress, timeline
    retry, failed    trying again, and items that failed        here         which item a task is at
    operations       what operations on streams mean            folding      what the named folds mean
    partitions       one generator, called for each partition   reading      what `from_iterable` reads
    testing          what a pipeline asks of tasks, checked      capacity     how many workers are busy
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

    # Loaded with the first run, or when something of it is asked for: it brings multiprocess and dill.
    runtime = lazy("daglite.runtime")
    # Loaded when somebody listens to a run.
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
