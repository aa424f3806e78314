"""The verdict against a model that remembers every error and the moment it was seen."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from daglite.runtime.dataflow.failure_policy import FailurePolicy

GRACE = 1.0


class VerdictMachine(RuleBasedStateMachine):
    """Errors are recorded while time passes, as long as the loop would still wait for one before them."""

    @initialize(ordered=st.booleans())
    def start(self, ordered: bool) -> None:
        self.failure_policy = FailurePolicy(ordered=ordered)
        self.ordered = ordered
        self.now = 100.0
        self.errors: list[tuple[int, BaseException]] = []
        self.first = 0.0

    @rule(seconds=st.floats(0, 0.6))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: not self.errors or self.now < self.first + GRACE)
    @rule(index=st.integers(-1, 20))
    def record(self, index: int) -> None:
        error = ValueError(index)
        self.first = self.first if self.errors else self.now
        self.errors.append((index, error))
        self.failure_policy.record(index, error, self.now)

    @invariant()
    def first_error_wins_or_the_lowest_index(self) -> None:
        if not self.errors:
            assert self.failure_policy.error is None
            return
        # Among equals the earlier one.
        index, error = min(self.errors, key=lambda each: each[0]) if self.ordered else self.errors[0]
        assert self.failure_policy.error is error
        assert self.failure_policy.index == index

    @precondition(lambda self: self.errors)
    @rule(lowest=st.none() | st.integers(0, 20))
    def poll_timeout(self, lowest: int | None) -> None:
        """Only an item before the failed one is worth waiting for, and only within the time of grace."""
        seconds = self.failure_policy.poll_timeout(lowest, self.now)
        hopeful = (
            self.ordered
            and lowest is not None
            and self.failure_policy.index >= 0
            and lowest <= self.failure_policy.index
        )
        left = max(0.0, self.first + GRACE - self.now)
        assert abs(seconds - (left if hopeful else 0.0)) < 1e-9


TestVerdict = VerdictMachine.TestCase


def test_ordered_lowest_index_wins_whenever_it_comes() -> None:
    failure_policy = FailurePolicy(ordered=True)
    late, early = ValueError("late"), ValueError("early")
    failure_policy.record(7, late, 0.0)
    failure_policy.record(3, early, 0.5)
    failure_policy.record(5, ValueError("between"), 0.6)

    assert failure_policy.error is early
    assert failure_policy.index == 3


def test_the_time_of_grace_begins_with_the_first_error() -> None:
    failure_policy = FailurePolicy(ordered=True)
    failure_policy.record(7, ValueError("late"), 10.0)
    failure_policy.record(3, ValueError("early"), 10.8)

    assert failure_policy.poll_timeout(2, 10.75) == 0.25
    assert failure_policy.poll_timeout(2, 11.5) == 0.0


def test_what_no_item_comes_before_is_final_at_once() -> None:
    """A fold, a save or a Ctrl-C failed: nothing under way matters any more."""
    failure_policy = FailurePolicy(ordered=True)
    failure_policy.record(4, ValueError("item"), 0.0)
    final = ValueError("fold")
    failure_policy.record(-1, final, 0.1)

    assert failure_policy.error is final
    assert failure_policy.poll_timeout(0, 0.1) == 0.0


def test_unordered_first_seen_wins() -> None:
    failure_policy = FailurePolicy(ordered=False)
    first = ValueError("first")
    failure_policy.record(7, first, 0.0)
    failure_policy.record(3, ValueError("second"), 0.0)

    assert failure_policy.error is first
    assert failure_policy.poll_timeout(0, 0.0) == 0.0


def test_error_of_a_later_leg_comes_first() -> None:
    """It is of an item that came out of the leg before ahead of the one that failed there."""
    failure_policy, first, later = FailurePolicy(ordered=True), ValueError("first leg"), ValueError("later leg")
    failure_policy.record(3, first, 0.0, executor=0)
    assert failure_policy.wants(100, executor=1)
    assert not failure_policy.wants(3, executor=0)
    failure_policy.record(50, later, 0.5, executor=1)
    assert failure_policy.error is later
    failure_policy.record(0, first, 0.6, executor=0)
    assert failure_policy.error is later
    assert failure_policy.poll_timeout(-1, 0.75) == 0.25


def test_errors_of_dropped_legs_never_happened() -> None:
    failure_policy, later = FailurePolicy(ordered=True), ValueError("later leg")
    failure_policy.record(3, ValueError("first leg"), 0.0, executor=0)
    failure_policy.drop(1)
    assert failure_policy.wants(4)
    failure_policy.record(4, ValueError("first leg"), 0.1, executor=0)
    failure_policy.record(9, later, 7.0, executor=1)
    assert failure_policy.error is later
    assert failure_policy.poll_timeout(2, 7.5) == 0.5


def test_error_of_the_run_outlives_a_drop() -> None:
    failure_policy, told = FailurePolicy(ordered=True), ValueError("the run")
    failure_policy.record(-1, told, 0.0)
    failure_policy.drop(2)
    assert failure_policy.error is told
