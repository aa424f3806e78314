"""Groups of parts that stay with workers: when they close, what comes home in which order, what a loss costs."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from daglite.exceptions import ExecutionError, WorkerDiedError, failure_of
from daglite.functions import describe
from daglite.runtime.dataflow import tree_reduce as tree_reducer
from daglite.runtime.dataflow.flow_control import FlowControl
from daglite.runtime.dataflow.tree_reduce import RemotePartial, TreeReducer
from daglite.runtime.engines.base import LOCAL_BATCH_POLICY
from daglite.runtime.kernel.bound_step import BoundStep
from daglite.runtime.kernel.work import PartialRef, WorkItem, WorkResult
from daglite.runtime.serialization.pickler import Codec


class Merge(NamedTuple):
    """What workers were asked to put together."""

    parts: list[PartialRef]
    answer: Callable[[WorkResult], None]
    keep: int | None
    exclusive: bool


class Bench:
    """A gathering, and a board of the test's own whose parts are the places of their items."""

    def __init__(self, *, workers: int = 1, nbytes: int = 1 << 20, retries: int = 2) -> None:
        self.merges: list[Merge] = []
        self.home: list[object] = []
        self.again: list[tuple[int, Sequence[object]]] = []
        self.deaths = 0
        self.codec = Codec("t")
        self.values: dict[int, list[int]] = {}
        self.window = FlowControl(100, nbytes, folds=True)
        session = SimpleNamespace(workers=workers, batch_policy=LOCAL_BATCH_POLICY, codec=self.codec)
        worker_queue: Any = SimpleNamespace(engine=session, install=lambda steps: 0, submit_first=self._submit)
        step = BoundStep(4, describe(lambda a, b: a + b, name="both"), (), ("a", "b"))
        parts: Any = SimpleNamespace(worker_queue=worker_queue, flow_control=self.window, retries=retries)
        self.tree_reducer = TreeReducer(parts, step, nbytes, self.home.append)
        self.tree_reducer.send_again = self.again.extend

    def _submit(self, work_item: WorkItem, handler: Callable[[WorkResult], None]) -> None:
        assert work_item.kind == "combine"
        self.merges.append(Merge([*work_item.partials], handler, work_item.partial_threshold, work_item.exclusive))

    def held(self, values: list[int]) -> PartialRef:
        """A part that is at some worker."""
        ticket = len(self.values)
        self.values[ticket] = values
        return PartialRef(ticket, 10)

    def stay(self, first: int, count: int = 1, nbytes: int = 8) -> None:
        """A batch is answered, and its part stays."""
        values = [*range(first, first + count)]
        self.window.pull(count, 0)
        self.window.send(count, nbytes, 0)
        self.window.arrive(count, 0, 0)
        self.tree_reducer.add(self.tree_reducer.register(RemotePartial(self.held(values), first, values, nbytes)))
        self.window.release(count, 0)

    def answer(self, number: int = 0) -> None:
        """One of the merges is done."""
        merge = self.merges.pop(number)
        whole = [value for part in merge.parts for value in self.values[part.ticket]]
        if merge.keep is None:
            merge.answer(WorkResult(0, "done", payload=self.codec.pack([self.codec.serialize(whole)])))
        else:
            merge.answer(WorkResult(0, "done", partial=self.held(whole)))

    def answer_all(self) -> None:
        while self.merges:
            self.answer()


def test_a_group_comes_home_as_one() -> None:
    chain_runner = Bench()
    for place in range(20):
        chain_runner.stay(place)
    assert [len(merge.parts) for merge in chain_runner.merges] == [8, 8]
    assert chain_runner.tree_reducer.busy()
    chain_runner.tree_reducer.close()
    chain_runner.answer(1)
    chain_runner.answer(0)
    (last,) = chain_runner.merges
    assert (len(last.parts), last.keep) == (6, None)
    chain_runner.answer()
    assert chain_runner.home == [[*range(20)]]
    assert not chain_runner.tree_reducer.busy()


def test_a_group_closes_at_so_many_parts_or_bytes() -> None:
    for chain_runner, parts in ((Bench(), 32), (Bench(workers=20), 80), (Bench(nbytes=400), 13)):
        for place in range(200):
            chain_runner.stay(place)
            chain_runner.answer_all()
            if chain_runner.home:
                break
        assert chain_runner.home == [[*range(parts)]]
        # The bytes of what it was made of are free again.
        assert chain_runner.window.nbytes == 0


def test_groups_come_home_in_order_and_not_too_many_wait() -> None:
    chain_runner = Bench(nbytes=400)
    for place in range(4 * 13):
        assert chain_runner.tree_reducer.crowded is (place >= 3 * 13 + 1)
        chain_runner.stay(place)
    while len(chain_runner.merges) > 1:
        # The latest first.
        chain_runner.answer(len(chain_runner.merges) - 1)
    assert chain_runner.home == []
    chain_runner.answer_all()
    assert chain_runner.home == [[*range(first, first + 13)] for first in range(0, 52, 13)]
    assert not chain_runner.tree_reducer.crowded


def test_not_too_many_wait_for_their_turn() -> None:
    """Behind an item that takes long; what is made of them takes room at the workers."""
    chain_runner = Bench()
    parts = [
        chain_runner.tree_reducer.register(RemotePartial(chain_runner.held([place]), place, [place], 8))
        for place in range(33)
    ]
    assert chain_runner.tree_reducer.crowded
    chain_runner.tree_reducer.add(parts[0])
    assert not chain_runner.tree_reducer.crowded


def test_a_part_that_is_here_waits_for_those_before_it() -> None:
    chain_runner = Bench()
    assert chain_runner.tree_reducer.threshold == tree_reducer.MIN_KEPT_BYTES
    chain_runner.tree_reducer.add("first")
    assert chain_runner.home == ["first"]
    chain_runner.stay(0)
    # From now on small ones stay as well.
    assert chain_runner.tree_reducer.threshold == 0
    chain_runner.tree_reducer.add("second")
    chain_runner.stay(1)
    chain_runner.tree_reducer.close()
    chain_runner.answer(1)
    assert chain_runner.home == ["first"]
    chain_runner.answer(0)
    assert chain_runner.home == ["first", [0], "second", [1]]


def test_what_is_lost_is_made_again_from_its_items() -> None:
    chain_runner = Bench()
    for first in range(0, 24, 3):
        chain_runner.stay(first, 3)
    (merge,) = chain_runner.merges
    merge.answer(WorkResult(0, "lost", missing_partials=[1, 7]))
    assert chain_runner.again == [(3, [3, 4, 5]), (21, [21, 22, 23])]
    chain_runner.tree_reducer.close()
    assert [chain_runner.tree_reducer.is_missing(place) for place in (2, 3, 5, 6, 23)] == [
        False,
        True,
        True,
        False,
        True,
    ]
    chain_runner.merges.clear()
    # It died once more, and came back item by item.
    for place in (4, 3, 23, 5, 22, 21):
        chain_runner.tree_reducer.restore(place, 1, chain_runner.held([place]))
    assert not chain_runner.tree_reducer.is_missing(4)
    # Nothing else of its batch is sent again when one of these is lost.
    chain_runner.answer(0)
    (last,) = chain_runner.merges
    chain_runner.again.clear()
    assert len(last.parts) == 5
    last.answer(WorkResult(0, "lost", missing_partials=[3]))
    assert chain_runner.again == [(22, [22])]
    chain_runner.answer_all()
    assert chain_runner.home == [[*range(24)]]


def test_a_merge_whose_workers_die_is_alone_with_the_next_and_given_up_in_the_end() -> None:
    chain_runner = Bench(retries=2)
    for place in range(8):
        chain_runner.stay(place)
    assert not chain_runner.merges[0].exclusive
    for _ in range(2):
        chain_runner.merges.pop().answer(WorkResult(0, "lost"))
        assert chain_runner.merges[0].exclusive
    # One that could not begin is no reason to suspect it.
    chain_runner.merges.pop().answer(WorkResult(0, "lost", started=False))
    with pytest.raises(
        WorkerDiedError, match="it ran task 'both' on partial results of 8 items; started 3 times"
    ) as caught:
        chain_runner.merges.pop().answer(WorkResult(0, "lost"))
    facts = failure_of(caught.value)
    assert facts is not None
    assert (facts.task, facts.step, facts.attempt) == ("both", 4, 3)


def keep_dying(chain_runner: Bench, chance: random.Random) -> None:
    """Whatever is put together ends its worker with all its parts, which are made again as others."""
    while True:
        merge = chain_runner.merges.pop(0)
        lost = sorted(value for part in merge.parts for value in chain_runner.values[part.ticket])
        chain_runner.deaths += 1
        merge.answer(WorkResult(0, "lost", missing_partials=range(len(merge.parts))))
        while lost:
            count = min(len(lost), chance.randint(1, 3))
            chain_runner.tree_reducer.restore(lost[0], count, chain_runner.held(lost[:count]))
            del lost[:count]


def test_deaths_are_bounded_though_each_takes_other_parts() -> None:
    """No range of items dies twice here, so that none of them is given up for itself."""
    chain_runner = Bench(retries=1)
    for place in range(32):
        chain_runner.stay(place)
    with pytest.raises(WorkerDiedError, match=r"it ran task 'both' on partial results of \d+ items; started once"):
        keep_dying(chain_runner, random.Random(3))
    assert chain_runner.deaths == 11


def test_what_goes_wrong_is_told() -> None:
    chain_runner = Bench()
    for place in range(8):
        chain_runner.stay(place)
    (merge,) = chain_runner.merges
    with pytest.raises(ZeroDivisionError, match="by zero") as caught:
        merge.answer(WorkResult(0, "failed", error=ZeroDivisionError("by zero"), traceback="the traceback", worker=3))
    facts = failure_of(caught.value)
    assert facts is not None
    assert (facts.task, facts.index, facts.worker, facts.traceback) == ("both", None, 3, "the traceback")
    with pytest.raises(ExecutionError, match="a worker could not keep a partial result of a fold"):
        merge.answer(WorkResult(0, "done"))
    with pytest.raises(ExecutionError, match="a worker could not keep a partial result of a fold"):
        chain_runner.tree_reducer.restore(0, 1, None)
