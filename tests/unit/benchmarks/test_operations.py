"""The workload of operations has all of them, and knows a wrong result when it sees one."""

from __future__ import annotations

import pytest

from benchmarks.contestants import operations_by_daglite, operations_by_hand
from benchmarks.shape import Facts
from benchmarks.workloads.operations import BY_HAND, WORKLOADS, checked, operation_job
from daglite.operations import OPERATIONS

WORKLOAD = WORKLOADS[0]


def test_every_operation_is_there_by_hand_and_with_daglite() -> None:
    assert set(operations_by_hand.OPERATIONS) == set(operations_by_daglite.OPERATIONS)
    assert set(OPERATIONS) < set(operations_by_hand.OPERATIONS)


@pytest.mark.parametrize("name", ["itertools", "daglite inline", "daglite"])
def test_every_operation_is_measured_and_its_result_compared(name: str) -> None:
    entry = WORKLOAD.entry(name)
    sample = WORKLOAD.measure(entry, 40, Facts(1))

    assert list(sample.extras) == [f"{operation} us" for operation in operations_by_hand.OPERATIONS]


def test_another_result_is_refused() -> None:
    job = operation_job(4, "filter")
    assert job.wanted == [0, 4]

    with pytest.raises(ValueError, match=r"^filter of itertools gives \[0, 2\]; right is \[0, 4\]"):
        checked(BY_HAND, "filter", job, [0, 2])
