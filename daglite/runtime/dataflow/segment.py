"""The executor of a segment: from the origin of its items, through workers, to the writer of its results."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeAlias

from daglite.runtime.dataflow.batching import BatchSizer
from daglite.runtime.dataflow.dispatch import Dispatcher
from daglite.runtime.dataflow.in_flight import SegmentParts
from daglite.runtime.dataflow.reorder_buffer import BatchResult
from daglite.runtime.dataflow.sinks import ResultWriter
from daglite.runtime.dataflow.tree_reduce import TreeReducer

# Receives the first index of results that were delivered, how many items and bytes, and when that began.
DeliveryHook: TypeAlias = Callable[[int, int, int, float], None]


class SegmentExecutor:
    """The parts of one segment. They are used under the lock of the loop, except a source that may block.

    `origin` yields the items: the source of the stream, or an exchange source behind the segment before.
    """

    def __init__(
        self,
        parts: SegmentParts,
        batch_sizer: BatchSizer,
        writer: ResultWriter,
        *,
        tree_reducer: TreeReducer | None = None,
        on_delivered: DeliveryHook | None = None,
    ) -> None:
        """Raise `TransferError` if the steps cannot be sent to a worker."""
        self.origin = parts.source
        self.dispatcher = Dispatcher(parts, batch_sizer, tree_reducer)
        self.flow_control = parts.flow_control
        self.writer = writer
        self._reorder_buffer = parts.reorder_buffer
        self._tree_reducer = tree_reducer
        self._on_delivered = on_delivered
        # The rest of a result that is delivered item by item.
        self._split: Iterator[BatchResult[list[object]]] = iter(())

    def dispatch(self, *, hurry: bool) -> None:
        """Send what waits; with `hurry`, or when no more items come, also a batch that is not full."""
        self.dispatcher.dispatch(hurry=hurry or self.origin.finished)

    def deliver(self) -> None:
        """Deliver all results that are ready."""
        for result in () if self.writer.full else self._reorder_buffer.take():
            self._deliver(result)
        if self._tree_reducer is not None and self._drained():
            self._tree_reducer.close()

    def deliver_next(self) -> bool:
        """Deliver the next few results, as the segment behind has room for them; return False when there are none."""
        while True:
            for result in self._split:
                self._deliver(result)
                return True
            following = next(self._reorder_buffer.take(), None)
            if following is None:
                return False
            self._split = self.writer.split(following)

    def over(self) -> bool:
        """Return whether all items have come and all results are delivered; valid after `deliver_next` is False."""
        return self._drained() and not self.busy()

    def busy(self) -> bool:
        """Return whether anything is in flight or waits to be sent, partials on workers included."""
        return self.dispatcher.busy() or (self._tree_reducer is not None and self._tree_reducer.busy())

    def _drained(self) -> bool:
        return self.origin.finished and not self.dispatcher.busy() and not len(self._reorder_buffer)

    def _deliver(self, result: BatchResult[list[object]]) -> None:
        """Write results, and release their items."""
        began = 0.0 if self._on_delivered is None else time.perf_counter()
        count = self.writer.write(result)
        if self._on_delivered is not None:
            self._on_delivered(result.first, result.size, result.nbytes, began)
        if not self.writer.keeps:
            self.flow_control.release(result.size, result.nbytes)
        elif count < result.size:
            # Items that a filter dropped leave now; the consumer takes the rest one by one.
            self.flow_control.release(result.size - count, 0 if count else result.nbytes)
