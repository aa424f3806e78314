"""The window: how many items, and how many bytes of them, are in flight between source and ending. Pure counting."""

from __future__ import annotations


class FlowControl:
    """Counts items from the moment they are pulled until they are folded, collected or handed over.

    What is pulled is written only by the thread that runs the source, the rest only under the lock of the loop: the two
    sides meet in `in flight`, where a late look can only see more items than there are, never fewer. Of bytes it may see
    those of the pull under way too late: they are bounded by themselves.
    """

    def __init__(self, size: int, limit: int, *, folds: bool = False) -> None:
        """`folds`: one result comes back for each batch, not for each item."""
        self.size = size
        self.pulled = 0
        self.released = 0
        self.peak = 0
        self._limit = limit
        # Of items that are not small: bytes that came from the source, and bytes that were sent on.
        self._bytes_pulled = 0
        self._bytes_sent = 0
        self._nbytes = 0.0
        self._folds = folds
        # Results under way.
        self._in_flight = 0
        self._items_seen = self._item_bytes = 0
        self._results_seen = self._result_bytes = 0
        self._items_back = 0

    @property
    def in_flight(self) -> int:
        """Items pulled and not yet released."""
        return self.pulled - self.released

    @property
    def nbytes(self) -> int:
        """Bytes in flight: captured items, waiting results, and for each result under way the mean size of one."""
        waiting, results = self._bytes_pulled - self._bytes_sent, self._results_seen
        mean = self._result_bytes / results if results else 0.0
        return waiting + int(self._nbytes + self._in_flight * mean)

    def room(self) -> int:
        """How many items may be pulled now. One is always admitted when nothing is in flight: it travels alone."""
        free = self.size - self.pulled + self.released
        if free <= 0:
            return 0
        left, seen, back = self._limit - self.nbytes, self._items_seen, self._items_back
        if left <= 0:
            return 1 if self.in_flight == 0 else 0
        each = (self._item_bytes / seen if seen else 0.0) + (self._result_bytes / back if back else 0.0)
        return free if free * each <= left else max(1, int(left / each))

    def left(self) -> int:
        """How many bytes there is room for, at least one: an item too large for the limit travels alone."""
        return max(1, self._limit - self.nbytes)

    def pull(self, count: int, nbytes: int) -> None:
        """Items came out of the source; `nbytes` is what all so far take that are not small."""
        self._bytes_pulled = nbytes
        self.pulled += count
        self.peak = max(self.peak, self.in_flight)

    def send(self, count: int, nbytes: int, waited: int) -> None:
        """Items were given to the engine, packed in `nbytes`; `waited` bytes of them had been counted by `pull`."""
        self._bytes_sent += waited
        self._nbytes += nbytes
        self._in_flight += 1 if self._folds else count
        self._items_seen += count
        self._item_bytes += nbytes

    def split(self, batches: int) -> None:
        """A batch that was sent goes out again as so many."""
        if self._folds:
            self._in_flight += batches - 1

    def arrive(self, count: int, item_bytes: int, result_bytes: int) -> None:
        """Results took the place of their items."""
        self._nbytes += result_bytes - item_bytes
        self._items_back += count
        results = 1 if self._folds else count
        self._in_flight -= results
        self._results_seen += results
        self._result_bytes += result_bytes

    def release(self, count: int, nbytes: float) -> None:
        """Results were folded, collected or handed over."""
        self.released += count
        self._nbytes -= nbytes
