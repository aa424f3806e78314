"""Flow control: how many items, and how many bytes of them, are in flight between source and sink. Pure counting."""

from __future__ import annotations


class FlowControl:
    """Counts items from the moment they are pulled until their results are folded, collected or consumed.

    The thread that runs the source writes what is pulled; everything else is written under the lock of the loop. Both
    sides meet in `in_flight`: a stale read can only see more items than there are, never fewer. The bytes of a pull
    are added when it ends; a pull is bounded by itself.
    """

    def __init__(self, size: int, limit: int, *, folds: bool = False) -> None:
        """`size` bounds items, `limit` bytes. `folds`: one result arrives for each batch, not for each item."""
        self.size = size
        self.pulled = 0
        self.released = 0
        self.peak = 0
        self._limit = limit
        # Of items that are not small: bytes that came from the source, and bytes that were sent to workers.
        self._bytes_pulled = 0
        self._bytes_sent = 0
        # Bytes of batches in flight, and of results that were not released.
        self._nbytes = 0.0
        self._folds = folds
        # Results that have not arrived, and what the sizes of those that have arrived say of them.
        self._results_in_flight = 0
        self._results_seen = self._result_bytes = 0
        self._items_sent = self._item_bytes = 0
        self._items_arrived = 0

    @property
    def in_flight(self) -> int:
        """Items pulled and not yet released."""
        return self.pulled - self.released

    @property
    def nbytes(self) -> int:
        """Bytes in flight: items and results, and the mean size of a result for each that has not arrived."""
        unsent, results = self._bytes_pulled - self._bytes_sent, self._results_seen
        mean = self._result_bytes / results if results else 0.0
        return unsent + int(self._nbytes + self._results_in_flight * mean)

    def room(self) -> int:
        """Return how many items may be pulled now; one is always admitted when nothing is in flight."""
        free = self.size - self.pulled + self.released
        if free <= 0:
            return 0
        left, sent, arrived = self._limit - self.nbytes, self._items_sent, self._items_arrived
        if left <= 0:
            return 1 if self.in_flight == 0 else 0
        each = (self._item_bytes / sent if sent else 0.0) + (self._result_bytes / arrived if arrived else 0.0)
        return free if free * each <= left else max(1, int(left / each))

    def left(self) -> int:
        """Return how many bytes may be pulled now, at least 1: an item above the limit travels alone."""
        return max(1, self._limit - self.nbytes)

    def pull(self, count: int, nbytes: int) -> None:
        """Count items that came from the source. `nbytes` is the total of all so far that are not small."""
        self._bytes_pulled = nbytes
        self.pulled += count
        self.peak = max(self.peak, self.in_flight)

    def send(self, count: int, nbytes: int, pulled: int) -> None:
        """Count items that were sent in a batch of `nbytes`; `pull` had counted `pulled` bytes of them."""
        self._bytes_sent += pulled
        self._nbytes += nbytes
        self._results_in_flight += 1 if self._folds else count
        self._items_sent += count
        self._item_bytes += nbytes

    def split(self, batches: int) -> None:
        """Count the results of one batch that is sent again as several."""
        if self._folds:
            self._results_in_flight += batches - 1

    def arrive(self, count: int, item_bytes: int, result_bytes: int) -> None:
        """Count results that take the place of their items."""
        self._nbytes += result_bytes - item_bytes
        self._items_arrived += count
        results = 1 if self._folds else count
        self._results_in_flight -= results
        self._results_seen += results
        self._result_bytes += result_bytes

    def release(self, count: int, nbytes: float) -> None:
        """Count results that were folded, collected or consumed."""
        self.released += count
        self._nbytes -= nbytes
