"""The window against a model that keeps every item it counts."""

from __future__ import annotations

from collections import deque

from hypothesis import assume, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from daglite.runtime.dataflow.flow_control import FlowControl

SIZES = st.integers(0, 500)


class WindowMachine(RuleBasedStateMachine):
    """Items are pulled, sent in batches, answered in any order and released in the order of their answers."""

    @initialize(size=st.integers(1, 20), limit=st.integers(1, 2000), folds=st.booleans())
    def start(self, size: int, limit: int, folds: bool) -> None:
        self.window = FlowControl(size, limit, folds=folds)
        self.folds = folds
        self.items_back = 0
        self.size, self.limit = size, limit
        self.pending = 0
        self.flights: list[list[int]] = []
        self.waiting: deque[tuple[int, int]] = deque()
        self.peak = 0
        self.item_sizes: list[int] = []
        self.result_sizes: list[int] = []

    def alive(self) -> int:
        return self.pending + sum(map(len, self.flights)) + sum(count for count, _ in self.waiting)

    def bytes_alive(self) -> int:
        captured = sum(map(sum, self.flights)) + sum(nbytes for _, nbytes in self.waiting)
        mean = sum(self.result_sizes) / len(self.result_sizes) if self.result_sizes else 0.0
        return captured + int(mean * (len(self.flights) if self.folds else sum(map(len, self.flights))))

    @rule(share=st.floats(0, 1))
    def pull(self, share: float) -> None:
        count = int(share * self.window.room())
        self.window.pull(count, 0)
        self.pending += count
        self.peak = max(self.peak, self.alive())

    @precondition(lambda self: self.pending)
    @rule(data=st.data())
    def send(self, data: st.DataObject) -> None:
        sizes = data.draw(st.lists(SIZES, min_size=1, max_size=min(5, self.pending)))
        self.window.send(len(sizes), sum(sizes), 0)
        self.pending -= len(sizes)
        self.flights.append(sizes)
        self.item_sizes += sizes

    @precondition(lambda self: self.flights)
    @rule(data=st.data())
    def arrive(self, data: st.DataObject) -> None:
        flight = self.flights.pop(data.draw(st.integers(0, len(self.flights) - 1)))
        count = 1 if self.folds else len(flight)
        results = data.draw(st.lists(SIZES, min_size=count, max_size=count))
        self.items_back += len(flight)
        self.window.arrive(len(flight), sum(flight), sum(results))
        self.waiting.append((len(flight), sum(results)))
        self.result_sizes += results

    @precondition(lambda self: any(len(flight) > 1 for flight in self.flights))
    @rule(data=st.data())
    def split(self, data: st.DataObject) -> None:
        """A worker died: its batch goes out again, item by item."""
        flight = data.draw(st.sampled_from([flight for flight in self.flights if len(flight) > 1]))
        self.flights.remove(flight)
        self.flights += [[size] for size in flight]
        self.window.split(len(flight))

    @precondition(lambda self: self.waiting)
    @rule()
    def release(self) -> None:
        count, nbytes = self.waiting.popleft()
        self.window.release(count, nbytes)

    @invariant()
    def counts_are_those_of_the_model(self) -> None:
        assert self.window.in_flight == self.alive()
        assert self.window.nbytes == self.bytes_alive()
        assert self.window.peak == self.peak

    @invariant()
    def never_more_than_the_window(self) -> None:
        assert self.window.in_flight <= self.size
        assert self.window.peak <= self.size

    @invariant()
    def room_is_within_both_limits(self) -> None:
        room = self.window.room()
        assert 0 <= room <= self.size
        if self.alive():
            assert room <= self.size - self.alive()
            assert room == 0 or self.bytes_alive() < self.limit

    @invariant()
    def something_can_always_go_on(self) -> None:
        """An empty window admits an item, however large items have been."""
        assert self.alive() or self.window.room() >= 1

    @rule()
    def known_sizes_are_foreseen(self) -> None:
        """Pulling what there is room for keeps within the bytes when items are as large as they were."""
        assume(self.item_sizes and self.alive())
        item = sum(self.item_sizes) / len(self.item_sizes)
        result = sum(self.result_sizes) / self.items_back if self.result_sizes else 0.0
        room = self.window.room()
        assert room <= 1 or self.bytes_alive() + room * (item + result) <= self.limit + 1


TestWindow = WindowMachine.TestCase


def test_one_item_over_the_limit_travels_alone() -> None:
    window = FlowControl(8, 100)
    window.pull(1, 0)
    window.send(1, 1000, 0)

    assert window.room() == 0

    window.arrive(1, 1000, 10)
    window.release(1, 10)

    assert window.room() == 1


def test_nothing_known_of_sizes_leaves_the_whole_window() -> None:
    assert FlowControl(8, 100).room() == 8


def test_window_of_one_alternates() -> None:
    window = FlowControl(1, 1000)
    for _ in range(3):
        assert window.room() == 1
        window.pull(1, 0)
        assert window.room() == 0
        window.send(1, 8, 0)
        window.arrive(1, 8, 8)
        assert window.room() == 0
        window.release(1, 8)

    assert (window.in_flight, window.nbytes, window.peak) == (0, 0, 1)


def test_bytes_count_from_the_pull_on() -> None:
    window = FlowControl(100, 1000)
    window.pull(2, 1500)
    assert (window.nbytes, window.room()) == (1500, 0)

    # As they are packed they may take a little more or less.
    window.send(1, 760, 750)
    assert window.nbytes == 1510
    window.send(1, 760, 750)
    assert window.nbytes == 1520
    window.arrive(2, 1520, 20)
    window.release(2, 20)
    assert window.nbytes == 0
