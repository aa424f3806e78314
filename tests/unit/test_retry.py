"""Retry: waits that grow, are bounded, and can be told beforehand."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from daglite import Retry
from daglite.exceptions import ParameterError


def test_waits_grow_up_to_the_longest() -> None:
    calm = Retry(attempts=9, first_delay=0.5, factor=3, max_delay=10, jitter=0)
    assert [calm.delay(attempt) for attempt in range(1, 6)] == [0.5, 1.5, 4.5, 10, 10]
    assert calm.delay(5000) == 10


def test_chance_takes_at_most_its_part_of_a_wait() -> None:
    waits = [Retry(first_delay=1.0, jitter=0.25).delay(1, step=7, index=index) for index in range(500)]
    assert 0.75 <= min(waits) < 0.76 < 0.99 < max(waits) <= 1.0


def test_chance_is_the_same_each_time_and_another_for_each_seed_step_item_and_attempt() -> None:
    seen = [
        Retry(first_delay=1.0, factor=1, seed=seed).delay(attempt, step, index)
        for seed in (0, 1)
        for attempt in (1, 2)
        for step in (3, 2**63 + 5)
        for index in (None, 0, 1)
    ]
    assert len(set(seen)) == 24
    assert Retry(first_delay=1.0, factor=1, seed=1).delay(2, 2**63 + 5, 1) == seen[-1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attempts": 0}, r"^`attempts` of `Retry` must be a whole number >= 1; got 0$"),
        ({"attempts": True}, r"^`attempts` of `Retry` must be a whole number >= 1; got True$"),
        ({"first_delay": -1}, r"^`first_delay` of `Retry` must be a number >= 0; got -1$"),
        ({"factor": 0.5}, r"^`factor` of `Retry` must be a number >= 1; got 0\.5$"),
        ({"max_delay": float("inf")}, r"^`max_delay` of `Retry` must be a number >= 0; got inf$"),
        ({"jitter": 1.5}, r"^`jitter` of `Retry` must be a number from 0 to 1; got 1\.5$"),
        ({"jitter": "x"}, r"^`jitter` of `Retry` must be a number >= 0; got 'x'$"),
        ({"seed": 2**63}, r"^`seed` of `Retry` must be a whole number of 64 bits; got 9223372036854775808$"),
        ({"on": ()}, r"^`on` of `Retry` must be a tuple of exception classes; got \(\)$"),
        ({"on": OSError}, r"^`on` of `Retry` must be a tuple of exception classes; got <class 'OSError'>$"),
        ({"on": (KeyboardInterrupt,)}, r"^`on` of `Retry` must be a tuple of exception classes; got"),
    ],
)
def test_values_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        Retry(**options)


def test_it_is_a_value() -> None:
    retry = Retry(on=(OSError,))
    assert retry == pickle.loads(pickle.dumps(retry)) != Retry()
    with pytest.raises(AttributeError, match="Retry is frozen"):
        retry.attempts = 4  # type: ignore[misc]
