"""These make networks and cut them, which only root may: `make test-cuts`."""

from __future__ import annotations

import os

import pytest

collect_ignore_glob = [] if os.environ.get("DAGLITE_CUTS") else ["test_*.py"]


@pytest.fixture(autouse=True)
def no_process_left() -> None:
    """Dask starts another worker for each that died, in its own time; all end with the commands that started them."""
