"""How many items travel together: one when they are slow, some hundreds when they are cheap. Pure arithmetic."""

from __future__ import annotations

from daglite.runtime.engines.base import LOCAL_BATCH_POLICY, BatchPolicy

# About what it takes, in seconds, to wake a worker and to share a processor with one more.
_WAKE = 0.000125
_PULL_AIM = 0.001
# The longest wait for an answer between two pulls, in seconds; and which part of a slow source's time that may be.
LONGEST_POLL_WAIT = 0.001
_POLL_WAIT_SHARE = 1 / 40


class BatchSizer:
    """Chooses the size of the next batch from the measured time and size of items.

    It starts at 1 and at most doubles with each answer, aiming at 2 ms of work (more on a cluster), so that a batch
    never holds back its neighbours for long. At most `most` items leave room in the window for two batches a worker,
    one at work and one waiting. Where even a batch of `cheap` items is a matter of a quarter of a millisecond, the
    coordinator is slower than its workers, and fewer messages are worth more than one that waits.
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
        """A batch of `count` items came back after `seconds` of work; `nbytes` were its items and results."""
        if count <= 0:
            return
        each, known, batch_policy = seconds / count, self._seconds, self._batch_policy
        # A slower item counts at once, a faster one slowly: the cost of a batch too large is borne by its neighbours.
        if known is not None and each < known:
            each = 0.5 * (known + each)
        self._seconds = each
        wanted = batch_policy.aim / each if each > 0 else self._cheap
        if wanted > self._most:
            wanted = max(self._most, min(self._cheap, wanted * (batch_policy.cheap_aim / batch_policy.aim)))
        # To the nearest: a batch of one would be half empty where items take a little more than half of the time.
        wanted += 0.5
        if nbytes > count * batch_policy.alone_bytes:
            wanted = 1
        elif nbytes:
            wanted = min(wanted, batch_policy.most_bytes * count / nbytes)
        self.size = max(1, min(int(wanted), 2 * self.size))


class PullSizer:
    """How many items to take from the source at once: about 1 ms of its time, from 1, at most doubling."""

    __slots__ = ("seconds", "size")

    def __init__(self) -> None:
        self.size = 1
        self.seconds = 0.0

    def observe(self, count: int, seconds: float) -> None:
        """`count` items took `seconds` to come."""
        if count:
            self.seconds = seconds / count
            wanted = _PULL_AIM / self.seconds if self.seconds > 0 else 2 * self.size
            self.size = max(1, min(int(wanted), 2 * self.size))

    @property
    def poll_wait(self) -> float:
        """How many seconds an answer may be waited for before the next pull.

        A source that takes its time does not miss a fortieth of it, and the answer to a quick task is here by then:
        without the helper thread, which would have to be woken for it. Others are not waited for at all, as selectors
        wait for whole milliseconds at least: that may be as long as the source takes.
        """
        return LONGEST_POLL_WAIT if self.seconds * _POLL_WAIT_SHARE >= LONGEST_POLL_WAIT else 0.0
