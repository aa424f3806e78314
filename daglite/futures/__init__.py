"""Futures: typed, lazy builders of pipelines. Each holds one ir node; nothing runs until `.run()`.

values     futures of one value: of a call, of a fold      items      streams, and the methods on their items
folds      the methods that fold a stream                  applying   checks of tasks that are given to a method
"""

from __future__ import annotations

from daglite.futures.folds import CombineStep, ReduceStep
from daglite.futures.items import Items, IterFuture, MapTaskFuture, from_iterable
from daglite.futures.values import Future, ReduceFuture, TaskFuture, ref

__all__ = [
    "CombineStep",
    "Future",
    "Items",
    "IterFuture",
    "MapTaskFuture",
    "ReduceFuture",
    "ReduceStep",
    "TaskFuture",
    "from_iterable",
    "ref",
]
