"""A sequence that grows at its end: the shorter ones stay what they were."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from daglite.ir.links import LinkedSequence


@given(st.lists(st.integers(0, 5), max_size=8))
def test_longer_ones_leave_the_shorter_ones_alone(parents: list[int]) -> None:
    """Law: `plus` is `[*links, item]`, whichever of the sequences made so far is extended, and however often."""
    made, models = [LinkedSequence([0])], [[0]]
    for item, parent in enumerate(parents):
        at = parent % len(made)
        made.append(made[at].plus(item))
        models.append([*models[at], item])
    assert [list(links) for links in made] == models
    assert [len(links) for links in made] == [len(model) for model in models]
    assert [(links[0], links[-1], links[1:]) for links in made] == [(m[0], m[-1], tuple(m[1:])) for m in models]


def test_a_shorter_one_does_not_reach_into_a_longer_one() -> None:
    short: LinkedSequence[int] = LinkedSequence()
    assert list(short.plus(1)) == [1]
    with pytest.raises(IndexError, match="no link 0 among 0"):
        short[0]
    assert repr(short.plus(2)) == "LinkedSequence([2])"
