"""A leg: one segment of a stream on its way through workers, from where its items come to who takes its results."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeAlias

from daglite.runtime.dataflow.dispatch import Dispatcher
from daglite.runtime.dataflow.flow_control import FlowControl
from daglite.runtime.dataflow.reorder_buffer import BatchResult, ReorderBuffer
from daglite.runtime.dataflow.sinks import ResultWriter
from daglite.runtime.dataflow.source import Source
from daglite.runtime.dataflow.tree_reduce import TreeReducer

# Takes the first index of results that were passed on, how many items and bytes, and when that began.
DeliveryHook: TypeAlias = Callable[[int, int, int, float], None]


class SegmentExecutor:
    """What belongs to one segment. All of it is used under the lock of the loop, but for a source that may block.

    `origin` gives the items: the source of the stream, or an inlet that draws on the leg before.
    """

    def __init__(
        self,
        *,
        origin: Source,
        dispatcher: Dispatcher,
        window: FlowControl,
        merge: ReorderBuffer[list[object]],
        writer: ResultWriter,
        tree_reducer: TreeReducer | None = None,
        on_delivered: DeliveryHook | None = None,
    ) -> None:
        self.origin = origin
        self.dispatcher = dispatcher
        self.window = window
        self.writer = writer
        self._merge = merge
        self._tree_reducer = tree_reducer
        self._on_delivered = on_delivered
        self._pieces: Iterator[BatchResult[list[object]]] = iter(())

    def dispatch(self, *, hurry: bool) -> None:
        """Send what waits; with `hurry`, or when nothing comes after it, also a batch that is not full."""
        self.dispatcher.dispatch(hurry=hurry or self.origin.finished)

    def deliver(self) -> None:
        """Pass on all results whose turn it is."""
        for entry in () if self.writer.full else self._merge.take():
            self._pass_on(entry)
        if self._tree_reducer is not None and self._through():
            self._tree_reducer.close()

    def draw(self) -> bool:
        """Pass on only the next few results, for a segment that has room for them; False when there are none."""
        while True:
            for piece in self._pieces:
                self._pass_on(piece)
                return True
            entry = next(self._merge.take(), None)
            if entry is None:
                return False
            self._pieces = self.writer.pieces(entry)

    def over(self) -> bool:
        """Whether every item has come, and every result has been passed on; for a relay ask when nothing is left."""
        return self._through() and not self.busy()

    def busy(self) -> bool:
        """Whether anything is under way or waits to be sent, or has not come home."""
        return self.dispatcher.busy() or (self._tree_reducer is not None and self._tree_reducer.busy())

    def _through(self) -> bool:
        return self.origin.finished and not self.dispatcher.busy() and not len(self._merge)

    def _pass_on(self, entry: BatchResult[list[object]]) -> None:
        """Pass results on, and give their places free."""
        began = 0.0 if self._on_delivered is None else time.perf_counter()
        count = self.writer.take(entry)
        if self._on_delivered is not None:
            self._on_delivered(entry.first, entry.size, entry.nbytes, began)
        if not self.writer.keeps:
            self.window.release(entry.size, entry.nbytes)
        elif count < entry.size:
            # What was dropped on the way leaves now; the consumer takes the rest one by one.
            self.window.release(entry.size - count, 0 if count else entry.nbytes)
