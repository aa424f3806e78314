"""These make networks and cut them, which only root may: `make test-cuts`, and `make test-ray-cuts` with Ray."""

from __future__ import annotations

import os

import pytest

FILES = {"dask": "test_cuts.py", "ray": "test_ray_cuts.py"}
collect_ignore = [file for engine, file in FILES.items() if engine != os.environ.get("DAGLITE_CUTS")]


@pytest.fixture(autouse=True)
def no_process_left() -> None:
    """Dask starts another worker for each that died, in its own time; all end with the commands that started them."""
