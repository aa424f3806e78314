"""The tree of parts: any order of answers and losses gives the fold in order, and few parts are left at any time."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, strategies as st

from daglite.runtime.dataflow.tree_reduce import ReductionTree, TreeMerge


def joined(merging: TreeMerge[str]) -> str:
    """What a combine that does not commute makes of neighbours."""
    return "".join(node.partial for node in merging.nodes)


def letters(n: int) -> str:
    return "".join(chr(ord("a") + place % 26) for place in range(n))


class World:
    """Merges under way, answered in any order, some of them lost."""

    def __init__(self, fan_in: int, seed: int, losses: float) -> None:
        self.tree: ReductionTree[str] = ReductionTree(fan_in)
        self.under_way: list[TreeMerge[str]] = []
        self.again: list[tuple[int, int]] = []
        self.root: str | None = None
        self.most = 0
        self._random = random.Random(seed)
        self._losses = losses
        self._text = ""

    def run(self, sizes: list[int]) -> str | None:
        """Bring parts of so many items, then close; returns what came home."""
        self._text, place = letters(sum(sizes)), 0
        for size in sizes:
            self.tree.add(place, place + size, self._text[place : place + size])
            place += size
            self._turn()
        self.tree.close()
        for _ in range(100_000):
            if self.root is not None or not sizes:
                break
            self._turn()
        return self.root

    def _turn(self) -> None:
        while (merging := self.tree.merge()) is not None:
            self.under_way.append(merging)
        self.most = max(self.most, len(self.tree))
        if self.under_way and self._random.random() < 0.7:
            self._answer(self.under_way.pop(self._random.randrange(len(self.under_way))))
        elif self.again:
            first, end = self.again.pop(self._random.randrange(len(self.again)))
            # What died comes back item by item.
            for place in self._random.sample(range(first, end), end - first):
                self.tree.add(place, place + 1, self._text[place])

    def _answer(self, merging: TreeMerge[str]) -> None:
        if self._random.random() < self._losses:
            gone = [number for number in range(len(merging.nodes)) if self._random.random() < 0.5]
            self.again += self.tree.lost(merging, gone)
        elif merging.final:
            self.tree.arrived(merging)
            assert self.root is None
            self.root = joined(merging)
        else:
            self.tree.done(merging, joined(merging))


SIZES = st.lists(st.integers(1, 5), max_size=60)


@given(SIZES, st.integers(2, 8), st.integers(0, 1000))
def test_the_root_is_the_fold_in_order(sizes: list[int], fan_in: int, seed: int) -> None:
    """Whatever order the merges end in: `combine` need only be associative."""
    assert World(fan_in, seed, 0.0).run(sizes) == (letters(sum(sizes)) if sizes else None)


@given(SIZES, st.integers(2, 8), st.integers(0, 1000), st.sampled_from([0.1, 0.4]))
def test_what_is_lost_is_made_again_and_is_in_the_root_once(
    sizes: list[int], fan_in: int, seed: int, losses: float
) -> None:
    assert World(fan_in, seed, losses).run(sizes) == (letters(sum(sizes)) if sizes else None)


@given(st.integers(1, 3000), st.integers(2, 8))
def test_parts_left_are_bounded_by_the_logarithm(n: int, fan_in: int) -> None:
    """Where each merge is answered before the next part comes."""
    tree: ReductionTree[str] = ReductionTree(fan_in)
    for place in range(n):
        tree.add(place, place + 1, "x")
        while (merging := tree.merge()) is not None:
            assert len(merging.nodes) == fan_in
            tree.done(merging, "")
        assert len(tree) <= fan_in * (1 + math.log(place + 1, fan_in))


def test_nothing_is_put_together_too_early() -> None:
    tree: ReductionTree[str] = ReductionTree(3)
    tree.add(0, 1, "a")
    tree.add(1, 2, "b")
    assert tree.merge() is None
    tree.close()
    merging = tree.merge()
    assert merging is not None
    assert (joined(merging), merging.final, merging.range) == ("ab", True, (0, 2))
    # It is under way already.
    assert tree.merge() is None


@pytest.mark.parametrize("gone", [[0], [1], [2]])
def test_a_gap_keeps_the_neighbours_apart(gone: list[int]) -> None:
    tree: ReductionTree[str] = ReductionTree(3)
    for place, part in enumerate("abc"):
        tree.add(place, place + 1, part)
    merging = tree.merge()
    assert merging is not None
    tree.close()
    ((first, end),) = tree.lost(merging, gone)
    assert (first, end) == (gone[0], gone[0] + 1)
    assert tree.merge() is None
    tree.add(first, end, "abc"[first])
    again = tree.merge()
    assert again is not None
    assert joined(again) == "abc"
