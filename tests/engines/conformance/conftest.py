"""Every runtime, one after the other, for what all of them must do alike.

DAGLITE_ENGINES names them; `make test-ray` asks for Ray. Dask is started by its own commands, and kept for all tests.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from daglite.options import Runtime
from daglite.runtime import Dask, Inline, Processes, Ray, Threads
from daglite.runtime.dataflow import tree_reduce as tree_reducer
from tests.engines.conformance.commands import dask_by_command
from tests.engines.local.choosing import at

ENGINES = os.environ.get("DAGLITE_ENGINES", "inline threads processes auto dask").split()
# Those whose workers may be on other machines.
CLUSTERS = [name for name in ENGINES if name in ("dask", "ray")]
# Those whose tasks all run on workers. `auto` begins in this process, and what kills that kills the tests.
CREWED = [name for name in ENGINES if name not in ("inline", "auto")]
APART = [name for name in CREWED if name != "threads"]


if "ray" in ENGINES:

    @pytest.fixture(autouse=True)
    def no_process_left() -> None:
        """Ray starts and ends processes as it likes; tests/engines/ray/test_ray.py sees that they end with it."""


class Engines:
    """Runtimes by name, each started when first asked for."""

    def __init__(self, stack: ExitStack, folder: str) -> None:
        self._stack = stack
        self._folder = folder
        self._made: dict[str, Runtime] = {}

    def __getitem__(self, name: str) -> Runtime:
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def _make(self, name: str) -> Runtime:
        match name:
            case "inline":
                return Inline()
            case "threads":
                return Threads(workers=2)
            case "processes":
                return Processes(workers=2)
            case "auto":
                # It has begun in this process when it moves.
                return at(3)
            case "dask":
                address = self._stack.enter_context(dask_by_command(self._folder, workers=2))
                return self._stack.enter_context(Dask(address))
            case "ray":
                return self._stack.enter_context(Ray(workers=2))
            case _:
                raise ValueError(name)


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    """All of them."""
    with ExitStack() as stack:
        yield Engines(stack, str(tmp_path_factory.mktemp("engines")))


@pytest.fixture(scope="session", params=ENGINES)
def engine_name(request: pytest.FixtureRequest) -> str:
    """The name of a runtime."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def engine(engine_name: str, engines: Engines) -> Runtime:
    """Every runtime."""
    return engines[engine_name]


@pytest.fixture(scope="session", params=CREWED)
def crewed(request: pytest.FixtureRequest, engines: Engines) -> Runtime:
    """Every runtime that has workers."""
    return engines[request.param]


@pytest.fixture(scope="session", params=APART)
def apart(request: pytest.FixtureRequest, engines: Engines) -> Runtime:
    """Every runtime whose workers share nothing with the coordinator."""
    return engines[request.param]


@pytest.fixture(scope="module", params=APART)
def mortal(
    request: pytest.FixtureRequest, engines: Engines, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Runtime]:
    """Every runtime whose workers may die, for tests that kill them: who comes in their place is in no other's way."""
    if request.param == "ray":
        # A program has one connection.
        yield engines["ray"]
        return
    with ExitStack() as stack:
        yield Engines(stack, str(tmp_path_factory.mktemp("mortal")))[request.param]


@pytest.fixture(scope="session", params=[name for name in ENGINES if name != "ray"] or ["inline"])
def pieces(request: pytest.FixtureRequest, engines: Engines) -> Runtime:
    """Every runtime whose workers go on with what they have begun. Ray chooses a worker for each chunk."""
    return engines[request.param]


@pytest.fixture(scope="session", params=CLUSTERS)
def cluster(request: pytest.FixtureRequest, engines: Engines) -> Runtime:
    """Every runtime that may be on other machines."""
    return engines[request.param]


@pytest.fixture
def parts_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of some size stay with their workers, though these are few."""
    monkeypatch.setattr(tree_reducer, "RETURNED_BYTES", 0)
