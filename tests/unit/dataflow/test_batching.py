"""Sizes of batches and pulls, from measurements that are given, not taken."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from daglite.runtime.dataflow.batching import BatchSizer, PullSizer

# What the design says: about 2 ms of work in a batch, 256 KiB at most, and large items alone.
AIM, MOST_BYTES, ALONE_BYTES = 0.002, 256 * 1024, 64 * 1024
# And what this file adds: where one batch for each worker is enough, it is a matter of a quarter of a millisecond.
CHEAP_AIM = 0.00025
SECONDS = st.floats(0, 10, allow_subnormal=False)


class BatcherMachine(RuleBasedStateMachine):
    """Batches of at most the chosen size come back with any measurements."""

    @initialize(most=st.integers(1, 256))
    def start(self, most: int) -> None:
        self.batch_sizer = BatchSizer(most, 2 * most)
        self.most = most
        self.before = self.batch_sizer.size

    @rule(data=st.data(), seconds=SECONDS, each=st.integers(0, 2 * ALONE_BYTES))
    def observe(self, data: st.DataObject, seconds: float, each: int) -> None:
        count = data.draw(st.integers(1, self.batch_sizer.size))
        self.before = self.batch_sizer.size
        self.batch_sizer.observe(count, seconds, count * each)
        if each > ALONE_BYTES:
            assert self.batch_sizer.size == 1
        assert self.batch_sizer.size == 1 or self.batch_sizer.size * each <= MOST_BYTES
        assert self.batch_sizer.size == 1 or (self.batch_sizer.size - 0.5) * (seconds / count) <= AIM * 1.001
        assert (
            self.batch_sizer.size <= self.most or (self.batch_sizer.size - 0.5) * (seconds / count) <= CHEAP_AIM * 1.001
        )

    @rule()
    def observe_nothing(self) -> None:
        """An answer without a single finished item tells nothing."""
        self.before = self.batch_sizer.size
        self.batch_sizer.observe(0, 1.0, 100)
        assert self.batch_sizer.size == self.before

    @invariant()
    def size_is_allowed_and_grows_by_doubling(self) -> None:
        assert 1 <= self.batch_sizer.size <= 2 * self.most
        assert self.batch_sizer.size <= max(2 * self.before, 1)


TestBatcher = BatcherMachine.TestCase


def test_only_cheap_items_fill_a_batch_that_leaves_no_room_for_another() -> None:
    batch_sizer = BatchSizer(256, 512)
    for _ in range(20):
        batch_sizer.observe(batch_sizer.size, 4e-7 * batch_sizer.size, 8 * batch_sizer.size)
    assert batch_sizer.size == 512

    for _ in range(20):
        batch_sizer.observe(batch_sizer.size, 2e-6 * batch_sizer.size, 8 * batch_sizer.size)
    assert batch_sizer.size == 256


def test_batches_start_with_one_item_and_double_while_items_are_cheap() -> None:
    batch_sizer = BatchSizer(100, 100)
    sizes = [batch_sizer.size]
    for _ in range(8):
        batch_sizer.observe(batch_sizer.size, 1e-6 * batch_sizer.size, 8 * batch_sizer.size)
        sizes.append(batch_sizer.size)

    assert sizes == [1, 2, 4, 8, 16, 32, 64, 100, 100]


@pytest.mark.parametrize(("seconds", "light"), [(1e-7, True), (2.4e-7, True), (2.6e-7, False), (1e-3, False)])
def test_a_batch_is_light_when_it_is_done_before_another_worker_would_be_awake(seconds: float, light: bool) -> None:
    batch_sizer = BatchSizer(256, 512)
    assert not batch_sizer.light, "nothing is known yet"
    for _ in range(20):
        batch_sizer.observe(batch_sizer.size, seconds * batch_sizer.size, 8 * batch_sizer.size)

    assert batch_sizer.light is light


def test_one_slow_item_shrinks_batches_at_once() -> None:
    batch_sizer = BatchSizer(100, 100)
    for _ in range(8):
        batch_sizer.observe(batch_sizer.size, 0.0, 0)
    batch_sizer.observe(1, 0.001, 8)

    assert batch_sizer.size == 2


def test_cheap_items_after_a_slow_one_bring_batches_back() -> None:
    """One slow item among cheap ones does not leave batches small for good."""
    batch_sizer = BatchSizer(64, 64)
    batch_sizer.observe(1, 1.0, 8)
    assert batch_sizer.size == 1
    for _ in range(40):
        batch_sizer.observe(batch_sizer.size, 1e-6 * batch_sizer.size, 8 * batch_sizer.size)

    assert batch_sizer.size == 64


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0.002, 1), (0.0014, 1), (0.0013, 2), (0.001, 2), (0.0001, 20), (0.0, 50)]
)
def test_batches_settle_at_two_milliseconds_of_work(seconds: float, expected: int) -> None:
    batch_sizer = BatchSizer(50, 50)
    for _ in range(20):
        batch_sizer.observe(batch_sizer.size, seconds * batch_sizer.size, 0)

    assert batch_sizer.size == expected


@given(st.lists(st.tuples(st.integers(0, 1000), SECONDS), max_size=30))
def test_pulls_are_at_least_one_and_at_most_double(measured: list[tuple[int, float]]) -> None:
    pull = PullSizer()
    for count, seconds in measured:
        before = pull.size
        pull.observe(count, seconds)
        assert 1 <= pull.size <= 2 * before
        assert pull.size == before or count > 0
        assert pull.size == 1 or not count or pull.size * pull.seconds <= 0.001 * 1.001


def test_a_slow_source_is_asked_for_one_item_at_a_time() -> None:
    pull = PullSizer()
    for _ in range(10):
        pull.observe(pull.size, 0.0)
    assert pull.size == 1024
    pull.observe(1, 0.01)

    assert (pull.size, pull.seconds) == (1, 0.01)


@pytest.mark.parametrize(("seconds", "poll_wait"), [(0.0, 0.0), (0.001, 0.0), (0.02, 0.0), (0.05, 0.001), (3.0, 0.001)])
def test_only_a_slow_source_leaves_time_for_answers(seconds: float, poll_wait: float) -> None:
    """A selector waits for whole milliseconds: before a pull of one millisecond that would be half of the time."""
    pulls = PullSizer()
    pulls.observe(1, seconds)

    assert pulls.poll_wait == poll_wait
