"""Batch sizes and pull sizes: 1 for slow items, some hundreds for cheap ones. Pure arithmetic."""

from __future__ import annotations

from daglite.runtime.engines.base import LOCAL_BATCH_POLICY, BatchPolicy

# About how many seconds it takes to wake a worker that shares a processor with another.
_WAKE = 0.000125
_PULL_AIM = 0.001
# The longest wait for a result between two pulls, in seconds, and its largest share of the time of a slow source.
LONGEST_POLL_WAIT = 0.001
_POLL_WAIT_SHARE = 1 / 40


class BatchSizer:
    """Chooses the size of the next batch from the measured time and size of items.

    The size starts at 1 and at most doubles with each result. It aims at 2 ms of work (more on a cluster), so that a
    batch does not delay the results next to it. At most `most` items leave room in flight for two batches of each
    worker, one at work and one waiting. Where even `cheap` items take no more than a quarter of a millisecond, the
    coordinator is slower than its workers, and fewer messages are worth more than a batch that waits.
    """

    __slots__ = ("_batch_policy", "_cheap", "_most", "_seconds", "size")

    def __init__(self, most: int, cheap: int, batch_policy: BatchPolicy = LOCAL_BATCH_POLICY) -> None:
        self._batch_policy = batch_policy
        self._most = most
        self._cheap = cheap
        self._seconds: float | None = None
        self.size = 1

    @property
    def light(self) -> bool:
        """Whether a batch is done before another worker would be awake."""
        return self._seconds is not None and self.size * self._seconds <= _WAKE

    def observe(self, count: int, seconds: float, nbytes: int) -> None:
        """Learn from a batch of `count` items that took `seconds` of work; `nbytes` are its items and results."""
        if count <= 0:
            return
        each, before, batch_policy = seconds / count, self._seconds, self._batch_policy
        # A slower item counts at once, a faster one slowly: too large a batch delays the results next to it.
        if before is not None and each < before:
            each = 0.5 * (before + each)
        self._seconds = each
        wanted = batch_policy.aim / each if each > 0 else self._cheap
        if wanted > self._most:
            wanted = max(self._most, min(self._cheap, wanted * (batch_policy.cheap_aim / batch_policy.aim)))
        # Rounded: where an item takes a little more than half of the aim, two are nearer to it than one.
        wanted += 0.5
        if nbytes > count * batch_policy.alone_bytes:
            wanted = 1
        elif nbytes:
            wanted = min(wanted, batch_policy.most_bytes * count / nbytes)
        self.size = max(1, min(int(wanted), 2 * self.size))


class PullSizer:
    """Chooses how many items to pull from the source at once: about 1 ms of its time, from 1, at most doubling."""

    __slots__ = ("seconds", "size")

    def __init__(self) -> None:
        self.size = 1
        # Of one item.
        self.seconds = 0.0

    def observe(self, count: int, seconds: float) -> None:
        """Learn from a pull of `count` items that took `seconds`."""
        if count:
            self.seconds = seconds / count
            wanted = _PULL_AIM / self.seconds if self.seconds > 0 else 2 * self.size
            self.size = max(1, min(int(wanted), 2 * self.size))

    @property
    def poll_wait(self) -> float:
        """How many seconds to wait for a result before the next pull.

        A slow source does not miss a fortieth of its time, and the result of a quick task arrives in it, without the
        helper thread, which would have to be woken. Before other sources there is no wait: selectors wait for whole
        milliseconds, which may be as long as the source takes.
        """
        return LONGEST_POLL_WAIT if self.seconds * _POLL_WAIT_SHARE >= LONGEST_POLL_WAIT else 0.0
