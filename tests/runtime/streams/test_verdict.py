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
        self.verdict = FailurePolicy(ordered=ordered)
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
        self.verdict.record(index, error, self.now)

    @invariant()
    def first_error_wins_or_the_lowest_index(self) -> None:
        if not self.errors:
            assert self.verdict.error is None
            return
        # Among equals the earlier one.
        index, error = min(self.errors, key=lambda each: each[0]) if self.ordered else self.errors[0]
        assert self.verdict.error is error
        assert self.verdict.index == index

    @precondition(lambda self: self.errors)
    @rule(lowest=st.none() | st.integers(0, 20))
    def patience(self, lowest: int | None) -> None:
        """Only an item before the failed one is worth waiting for, and only within the time of grace."""
        seconds = self.verdict.patience(lowest, self.now)
        hopeful = self.ordered and lowest is not None and self.verdict.index >= 0 and lowest <= self.verdict.index
        left = max(0.0, self.first + GRACE - self.now)
        assert abs(seconds - (left if hopeful else 0.0)) < 1e-9


TestVerdict = VerdictMachine.TestCase


def test_ordered_lowest_index_wins_whenever_it_comes() -> None:
    verdict = FailurePolicy(ordered=True)
    late, early = ValueError("late"), ValueError("early")
    verdict.record(7, late, 0.0)
    verdict.record(3, early, 0.5)
    verdict.record(5, ValueError("between"), 0.6)

    assert verdict.error is early
    assert verdict.index == 3


def test_the_time_of_grace_begins_with_the_first_error() -> None:
    verdict = FailurePolicy(ordered=True)
    verdict.record(7, ValueError("late"), 10.0)
    verdict.record(3, ValueError("early"), 10.8)

    assert verdict.patience(2, 10.75) == 0.25
    assert verdict.patience(2, 11.5) == 0.0


def test_what_no_item_comes_before_is_final_at_once() -> None:
    """A fold, a save or a Ctrl-C failed: nothing under way matters any more."""
    verdict = FailurePolicy(ordered=True)
    verdict.record(4, ValueError("item"), 0.0)
    final = ValueError("fold")
    verdict.record(-1, final, 0.1)

    assert verdict.error is final
    assert verdict.patience(0, 0.1) == 0.0


def test_unordered_first_seen_wins() -> None:
    verdict = FailurePolicy(ordered=False)
    first = ValueError("first")
    verdict.record(7, first, 0.0)
    verdict.record(3, ValueError("second"), 0.0)

    assert verdict.error is first
    assert verdict.patience(0, 0.0) == 0.0


def test_error_of_a_later_leg_comes_first() -> None:
    """It is of an item that came out of the leg before ahead of the one that failed there."""
    verdict, first, later = FailurePolicy(ordered=True), ValueError("first leg"), ValueError("later leg")
    verdict.record(3, first, 0.0, leg=0)
    assert verdict.wants(100, leg=1)
    assert not verdict.wants(3, leg=0)
    verdict.record(50, later, 0.5, leg=1)
    assert verdict.error is later
    verdict.record(0, first, 0.6, leg=0)
    assert verdict.error is later
    assert verdict.patience(-1, 0.75) == 0.25


def test_errors_of_dropped_legs_never_happened() -> None:
    verdict, later = FailurePolicy(ordered=True), ValueError("later leg")
    verdict.record(3, ValueError("first leg"), 0.0, leg=0)
    verdict.drop(1)
    assert verdict.wants(4)
    verdict.record(4, ValueError("first leg"), 0.1, leg=0)
    verdict.record(9, later, 7.0, leg=1)
    assert verdict.error is later
    assert verdict.patience(2, 7.5) == 0.5


def test_error_of_the_run_outlives_a_drop() -> None:
    verdict, told = FailurePolicy(ordered=True), ValueError("the run")
    verdict.record(-1, told, 0.0)
    verdict.drop(2)
    assert verdict.error is told
