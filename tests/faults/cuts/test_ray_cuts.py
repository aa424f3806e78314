"""Machines of a Ray cluster that are cut off, or lose their head."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.cuts.ray_figures import FAULTS, run
from tests.faults.cuts.rays import Rays, rays
from tests.faults.cuts.table import judged

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def here() -> Iterator[Rays]:
    with rays() as found:
        yield found


@pytest.mark.parametrize("name", FAULTS)
def test_nothing_is_lost_and_nothing_comes_twice_or_an_error_tells_why(here: Rays, name: str) -> None:
    """Each fault of the table of figures, once."""
    seen = run(here, name, FAULTS[name])
    assert judged(FAULTS[name], seen) in ("all once", "error told")
    # Ray ends a program 60 s after its head is gone; the run tells of it before.
    assert seen.seconds < (60 if name.startswith("the head") else 400)
