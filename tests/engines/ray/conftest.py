"""Ray is not among what the other tests need: these run with `make test-ray`."""

from __future__ import annotations

import os

import pytest

collect_ignore_glob = [] if "ray" in os.environ.get("DAGLITE_ENGINES", "") else ["test_*.py"]


@pytest.fixture(autouse=True)
def no_process_left() -> None:
    """Ray starts and ends processes as it likes; `test_ray.py` sees that they end with it."""
