"""Whether a stream that runs in this process should go on elsewhere. Pure arithmetic: measurements in, an answer out.

A stream costs the same time in the coordinator wherever its tasks run: source, saves, fold. What can be gained is the
time of its tasks, and what it takes is the start of workers and a little for each item. How many items are still to
come is often unknown; then it is taken to be as many as there were, and more while there were few.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from daglite.records import record

Answer = Literal["stay", "threads", "processes"]

# What another place costs for each item and for each message, and the work that one message carries at least.
_ITEM = {"processes": 0.45e-6, "threads": 0.6e-6}
_MESSAGE = {"processes": 60e-6, "threads": 40e-6}
_WORK_OF_A_MESSAGE = 0.002
# Large buffers to a worker and back, bytes in a second.
_TRANSPORT = 3e9
# So much less time, at least, for a move.
_GAIN = 0.85
# Tasks wait when no more than this share of their time is processor time, and they gave the processor up so often.
_BUSY_SHARE = 0.25
_PAUSES = 0.5
# An unknown rest is as long as what was, and this much longer, in seconds of work.
_OPTIMISM = 0.02
# From here on, in seconds for each item with everything, a look at the clock costs nothing.
_SLOW = 50e-6
# How long a slice is, in seconds, and how many items one that is measured has when items are cheap.
_LONG = 0.005
_MEASURED_ITEMS = 8
# A first item may have been slow because it was the first: one that took less, in seconds, does not count.
_FIRST = 0.01
# The memory of what items cost, in seconds.
_MEMORY = 0.2


@record
class PlacementOptions:
    """What a run could have: workers of each kind, processors, the seconds that processes take to start."""

    processes: int
    threads: int
    processors: int
    start: float


class NextSlice(NamedTuple):
    """The next slice: for how many seconds and items it goes on at most, and whether its tasks are timed."""

    seconds: float
    items: int
    timed: bool


class SliceStats(NamedTuple):
    """What a slice was: its items and seconds, bytes of large items and results, and if it was timed the seconds in
    tasks, the processor time of them, and how often this thread gave its processor up.
    """

    items: int
    seconds: float
    nbytes: int = 0
    timed: bool = False
    wall: float = 0.0
    cpu: float = 0.0
    pauses: int = 0


class PlacementPolicy:
    """Looks at one slice after the other. `more` is how many items are left, None when nobody knows."""

    def __init__(self, places: PlacementOptions) -> None:
        self._places = places
        self._open = {"threads", "processes"}
        # All items, and the seconds of their tasks; then what is remembered: of all slices, and of the timed ones.
        self._count = 0
        self._items = self._seconds = self._bytes = 0.0
        self._timed_items = self._wall = self._cpu = self._pauses = 0.0
        self._turn = False

    def next(self) -> NextSlice:
        """How the next slice is to be run: short while little is known, timed when that costs nothing."""
        if not self._timed_items:
            return NextSlice(_LONG, 1, timed=True)
        if self._seconds > _SLOW * self._items:
            return NextSlice(_LONG, max(1, self._count), timed=True)
        self._turn = not self._turn
        return NextSlice(_LONG, _MEASURED_ITEMS if self._turn else 1_000_000, timed=self._turn)

    def close(self, answer: Answer) -> None:
        """That place cannot be had."""
        self._open.discard(answer)

    def observe(self, seen: SliceStats, more: int | None) -> Answer:
        """Take a slice in, and say where the stream should go on."""
        self._remember(seen)
        if not self._timed_items or more == 0 or (self._count == 1 and seen.seconds < _FIRST):
            return "stay"
        whole = self._seconds / self._items
        # Timed ones may have been the slow ones by chance: no task takes longer than everything did.
        task = min(self._wall / self._timed_items, whole)
        if not task:
            return "stay"
        left = float(more) if more is not None else self._count + _OPTIMISM / task
        best: Answer = "stay"
        least = whole * left
        for place in self._candidates():
            each = self._each(place, whole, task)
            cost = each * left + (self._places.start if place == "processes" else 0.0)
            if each < _GAIN * whole and cost < least:
                best, least = place, cost
        return best

    def describe(self) -> str:
        """What was seen, for the log."""
        each = self._wall / self._timed_items if self._timed_items else 0.0
        return f"{self._count} items, {1e6 * each:.3g} us of tasks each, {self._share:.0%} of it processor time"

    @property
    def _share(self) -> float:
        return min(1.0, self._cpu / self._wall) if self._wall else 1.0

    def _candidates(self) -> tuple[Answer, ...]:
        """Threads are for tasks that wait: for others they are no faster, and nothing goes back from there."""
        waits = self._share <= _BUSY_SHARE and self._pauses >= _PAUSES * self._timed_items
        places: tuple[Answer, ...] = ("threads", "processes") if waits else ("processes",)
        return tuple(place for place in places if place in self._open)

    def _each(self, place: Answer, whole: float, task: float) -> float:
        """Seconds for each item there: whatever is the narrowest, the coordinator, the workers or the processors."""
        there, places = max(0.0, whole - task), self._places
        trip = _ITEM[place] + _MESSAGE[place] * min(1.0, task / _WORK_OF_A_MESSAGE)
        if place == "threads":
            # Python code of several threads takes turns.
            return max(task / places.threads, there + trip + self._share * task)
        trip += self._bytes / self._items / _TRANSPORT
        # Work that waits for a processor here would wait for it there.
        busy = self._share * task if "threads" in self._candidates() else task
        return max(there + trip, task / places.processes, (there + trip + busy) / places.processors)

    def _remember(self, seen: SliceStats) -> None:
        if self._count == 1:
            self._fade(0.0)
        elif self._seconds > _MEMORY:
            self._fade(0.5)
        self._count += seen.items
        self._items += seen.items
        self._seconds += seen.seconds
        self._bytes += seen.nbytes
        if seen.timed:
            self._timed_items += seen.items
            self._wall += seen.wall
            self._cpu += seen.cpu
            self._pauses += seen.pauses

    def _fade(self, share: float) -> None:
        """Keep only this share of what is remembered."""
        self._items, self._seconds, self._bytes = share * self._items, share * self._seconds, share * self._bytes
        self._timed_items, self._wall = share * self._timed_items, share * self._wall
        self._cpu, self._pauses = share * self._cpu, share * self._pauses
