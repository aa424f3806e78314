"""The merge against a model: what was added, what may go on."""

from __future__ import annotations

from hypothesis import given, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from daglite.runtime.dataflow.reorder_buffer import BatchResult, ReorderBuffer


class MergeMachine(RuleBasedStateMachine):
    """Batches of consecutive items come back in any order; each item is its own value."""

    @initialize(ordered=st.booleans())
    def start(self, ordered: bool) -> None:
        self.merge: ReorderBuffer[list[int]] = ReorderBuffer(ordered=ordered)
        self.sent = 0
        self.under_way: list[BatchResult[list[int]]] = []
        self.added: list[BatchResult[list[int]]] = []
        self.taken: list[int] = []
        # Parts that have come, and those of them that have gone on.
        self.parts: list[BatchResult[list[int]]] = []
        self.gone: list[BatchResult[list[int]]] = []

    @rule(size=st.integers(1, 4))
    def send(self, size: int) -> None:
        values = list(range(self.sent, self.sent + size))
        self.under_way.append(BatchResult(self.sent, size, values, 8 * size))
        self.sent += size

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        entry = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        self.merge.add(entry)
        self.added.append(entry)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def answer_in_parts(self, data: st.DataObject) -> None:
        """The items of a dead worker come back one by one."""
        entry = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        self.under_way += [BatchResult(value, 1, [value], 8) for value in entry.values]

    @precondition(lambda self: any(entry.size == 1 for entry in self.under_way))
    @rule(data=st.data())
    def come_in_part(self, data: st.DataObject) -> None:
        """A part of what comes of one item, which is still under way."""
        one = data.draw(st.sampled_from([entry for entry in self.under_way if entry.size == 1]))
        part = BatchResult(one.first, 0, [one.first, len(self.parts)], 8)
        self.merge.add_chunk(part)
        self.parts.append(part)

    @rule()
    def nothing_came(self) -> None:
        self.merge.add(BatchResult(self.sent, 0, [], 0))

    @rule()
    def take(self) -> None:
        for entry in self.merge.take():
            assert entry in self.added or entry in self.parts
            self.go_on(entry)

    @rule()
    def take_one(self) -> None:
        """A walk over the results may be left and begun again."""
        for entry in self.merge.take():
            self.go_on(entry)
            break

    def go_on(self, entry: BatchResult[list[int]]) -> None:
        if entry.size:
            self.taken += entry.values
            return
        self.gone.append(entry)
        # A part goes on in the turn of its item: behind all items before, and before the item is through.
        assert not self.merge.ordered or len(self.taken) == entry.first
        assert entry.first not in self.taken

    @invariant()
    def each_goes_on_once_and_in_turn(self) -> None:
        arrived = [value for entry in self.added for value in entry.values]
        assert len(self.taken) == len(set(self.taken))
        assert set(self.taken) <= set(arrived)
        if self.merge.ordered:
            assert self.taken == list(range(len(self.taken)))
        else:
            assert self.taken == arrived[: len(self.taken)]

    @invariant()
    def its_length_is_what_waits(self) -> None:
        taken = set(self.taken)
        waiting = sum(not taken.intersection(entry.values) for entry in self.added)
        parts = len(self.parts) - len(self.gone)
        # Parts of one item that is not on yet count as one.
        assert waiting + min(parts, 1) <= len(self.merge) <= waiting + parts

    @rule()
    def everything_whose_turn_it_is_comes(self) -> None:
        self.take()
        arrived = {value for entry in self.added for value in entry.values}
        if self.merge.ordered:
            first_missing = next(value for value in range(self.sent + 1) if value not in arrived)
            assert len(self.taken) == first_missing
        else:
            assert len(self.taken) == len(arrived)


TestMerge = MergeMachine.TestCase


@given(st.permutations(range(6)))
def test_ordered_merge_sorts_whatever_comes(order: list[int]) -> None:
    merge: ReorderBuffer[str] = ReorderBuffer(ordered=True)
    found = []
    for index in order:
        merge.add(BatchResult(index, 1, str(index), 0))
        found += [entry.values for entry in merge.take()]

    assert found == list("012345")
    assert len(merge) == 0


def test_items_behind_a_gap_wait() -> None:
    merge: ReorderBuffer[str] = ReorderBuffer(ordered=True)
    merge.add(BatchResult(1, 1, "b", 0))
    # A batch that failed in its middle: one of its two items came back.
    merge.add(BatchResult(0, 1, "a", 0))
    merge.add(BatchResult(3, 1, "d", 0))

    assert [entry.values for entry in merge.take()] == ["a", "b"]
    assert len(merge) == 1
