"""Decides whether a stream that runs in this process moves to workers. Pure arithmetic: measurements in, answer out.

    SliceStats of each slice --observe--> PlacementPolicy --> "stay", "threads" or "processes"

Source, saves and fold of a stream take the same time in the coordinator wherever its tasks run. A move saves time of
the tasks, and costs the start of the workers and some time for each item. The number of items to come is often unknown;
then the policy assumes as many as there were, and more while there were few.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from daglite.records import record

Answer = Literal["stay", "threads", "processes"]

# Seconds that workers cost for each item and for each message, and the least work of one message in seconds.
_ITEM = {"processes": 0.45e-6, "threads": 0.6e-6}
_MESSAGE = {"processes": 60e-6, "threads": 40e-6}
_WORK_OF_A_MESSAGE = 0.002
# Bytes per second of large buffers to a worker and back.
_TRANSPORT = 3e9
# A stream moves when an item then takes at most this share of the time that it takes now.
_GAIN = 0.85
# Tasks wait when at most this share of their time is processor time, and they yield the processor this often per item.
_BUSY_SHARE = 0.25
_PAUSES = 0.5
# An unknown rest is as long as what was, plus this many seconds of work.
_OPTIMISM = 0.02
# From this many seconds for each item on, the cost of reading the clock can be ignored.
_SLOW = 50e-6
# Seconds of a slice, and the items of a timed slice where items are cheap.
_SLICE_SECONDS = 0.005
_MEASURED_ITEMS = 8
# A first item that took less than this many seconds is ignored: it may have been slow because it was the first.
_FIRST = 0.01
# Seconds of work after which older measurements count half.
_MEMORY = 0.2


@record
class PlacementOptions:
    """The workers of each kind that a run could have, the processors, and the seconds that processes take to start."""

    processes: int
    threads: int
    processors: int
    start: float


class NextSlice(NamedTuple):
    """The next slice: its largest number of seconds and of items, and whether its tasks are timed."""

    seconds: float
    items: int
    timed: bool


class SliceStats(NamedTuple):
    """The measurements of a slice: items, seconds, and bytes of large items and results.

    If it was timed, also the seconds in tasks, their processor time, and how often this thread yielded the processor.
    """

    items: int
    seconds: float
    nbytes: int = 0
    timed: bool = False
    wall: float = 0.0
    cpu: float = 0.0
    pauses: int = 0


class PlacementPolicy:
    """Decides after each slice of one stream where it goes on."""

    def __init__(self, places: PlacementOptions) -> None:
        self._places = places
        self._open = {"threads", "processes"}
        # The number of all items; then weighted sums: of all slices, and of the timed ones.
        self._count = 0
        self._items = self._seconds = self._bytes = 0.0
        self._timed_items = self._wall = self._cpu = self._pauses = 0.0
        self._timed = False

    def next(self) -> NextSlice:
        """Return how to run the next slice: short while little is known, timed where that costs nothing."""
        if not self._timed_items:
            return NextSlice(_SLICE_SECONDS, 1, timed=True)
        if self._seconds > _SLOW * self._items:
            return NextSlice(_SLICE_SECONDS, max(1, self._count), timed=True)
        self._timed = not self._timed
        return NextSlice(_SLICE_SECONDS, _MEASURED_ITEMS if self._timed else 1_000_000, timed=self._timed)

    def close(self, answer: Answer) -> None:
        """Rule out workers that cannot be started."""
        self._open.discard(answer)

    def observe(self, seen: SliceStats, more: int | None) -> Answer:
        """Add a slice and return where the stream goes on. `more`: the number of items left, None if unknown."""
        self._add(seen)
        if not self._timed_items or more == 0 or (self._count == 1 and seen.seconds < _FIRST):
            return "stay"
        whole = self._seconds / self._items
        # The timed slices may have been slow by chance: tasks take no longer than everything together.
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
        """Return the measurements as a text for the log."""
        each = self._wall / self._timed_items if self._timed_items else 0.0
        return f"{self._count} items, {1e6 * each:.3g} us of tasks each, {self._share:.0%} of it processor time"

    @property
    def _share(self) -> float:
        return min(1.0, self._cpu / self._wall) if self._wall else 1.0

    def _candidates(self) -> tuple[Answer, ...]:
        """Return the kinds of workers to consider. Threads are faster only for tasks that wait, and never left."""
        waits = self._share <= _BUSY_SHARE and self._pauses >= _PAUSES * self._timed_items
        places: tuple[Answer, ...] = ("threads", "processes") if waits else ("processes",)
        return tuple(place for place in places if place in self._open)

    def _each(self, place: Answer, whole: float, task: float) -> float:
        """Return the seconds for each item there, of the slowest: the coordinator, the workers or the processors."""
        rest, places = max(0.0, whole - task), self._places
        trip = _ITEM[place] + _MESSAGE[place] * min(1.0, task / _WORK_OF_A_MESSAGE)
        if place == "threads":
            # Python code of several threads takes turns.
            return max(task / places.threads, rest + trip + self._share * task)
        trip += self._bytes / self._items / _TRANSPORT
        # A task that waits for a processor here would wait for it in a process, too.
        busy = self._share * task if "threads" in self._candidates() else task
        return max(rest + trip, task / places.processes, (rest + trip + busy) / places.processors)

    def _add(self, seen: SliceStats) -> None:
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
        """Multiply the weighted sums by this share."""
        self._items, self._seconds, self._bytes = share * self._items, share * self._seconds, share * self._bytes
        self._timed_items, self._wall = share * self._timed_items, share * self._wall
        self._cpu, self._pauses = share * self._cpu, share * self._pauses
