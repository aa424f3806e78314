"""The clusters that users choose: `Dask` and `Ray`. Their libraries are extras, and load when a run needs them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from daglite.exceptions import ParameterError
from daglite.lazy import lazy
from daglite.options import check_count
from daglite.runtime.engines import Kept
from daglite.runtime.executor import Session
from daglite.runtime.processes.process import usable_processors

if TYPE_CHECKING:
    import importlib.util as util

    import daglite.runtime.clusters.dask as dask
    import daglite.runtime.clusters.ray as ray
    from daglite.runtime.clusters import session
else:
    dask, session = lazy("daglite.runtime.clusters.dask"), lazy("daglite.runtime.clusters.session")
    ray = lazy("daglite.runtime.clusters.ray")
    # Seldom needed, and slow to load.
    util = lazy("importlib.util")

__all__ = ["Dask", "Ray", "cluster_of"]


class Dask(Kept):
    """Workers of a Dask cluster, on any number of machines. Needs the extra `daglite[dask]`.

    Given a `distributed.Client`, its cluster does the work, and the client stays open. Given the address of a scheduler
    ("host:port", "tcp://host:port", "tls://host:port"), each run connects to it and leaves. Given nothing, each run has
    a cluster of its own on this machine. As a context manager it stays connected, or keeps its cluster, for many runs.

    Workers need the same Python and daglite, and the modules that tasks are from.
    """

    shares = False
    options: ClassVar[tuple[str, ...]] = ("workers",)

    def __init__(self, client_or_address: dask.Client | str | None = None, *, workers: int | None = None) -> None:
        """`workers`: how many processes a cluster of its own has (default: the processors this process may use).

        Raises `ParameterError` for values of other kinds, and when Dask is not installed.
        """
        super().__init__()
        _require("distributed", "dask", "Dask")
        if workers is not None:
            check_count("workers", workers, least=1)
            if client_or_address is not None:
                raise ParameterError("`workers` is for a cluster of Dask's own; one that is there has its workers")
        self._target = client_or_address
        self._workers = workers
        if isinstance(client_or_address, str):
            self._target = _checked(client_or_address)
        elif client_or_address is not None and not hasattr(client_or_address, "scheduler"):
            raise ParameterError(
                "`Dask` takes a `distributed.Client`, the address of a scheduler, or nothing; "
                f"got {client_or_address!r}"
            )

    def __repr__(self) -> str:
        if isinstance(self._target, str):
            return f"Dask({_public(self._target)!r})"
        return f"Dask(workers={self._workers})" if self._target is None else "Dask(client)"

    def _session(self) -> Session:
        client, close = self._opened()
        try:
            return session.ClusterSession(dask.DaskCarrier(client, close))
        except BaseException:
            close()
            raise

    def _opened(self) -> tuple[dask.Client, Callable[[], None]]:
        """A client, and how to give back what was opened for it."""
        if self._target is None:
            return dask.local_cluster(self._workers or usable_processors())
        if isinstance(self._target, str):
            client = dask.connected(self._target)
            return client, client.close
        return self._target, _nothing


class Ray(Kept):
    """Workers of a Ray cluster, on any number of machines. Needs the extra `daglite[ray]`.

    Where the program is connected to Ray already, that is where the work is done, and the connection stays. Given an
    address ("auto", "host:port"), each run connects to it and leaves. Given nothing, each run has a cluster of its own
    on this machine, and never joins one that is there. As a context manager it stays connected for many runs.

    Workers need the same Python and daglite, and the modules that tasks are from.
    """

    shares = False
    options: ClassVar[tuple[str, ...]] = ("workers",)

    def __init__(self, address: str | None = None, *, workers: int | None = None) -> None:
        """`workers`: how many processes a cluster of its own has (default: one for each processor).

        Raises `ParameterError` for values of other kinds, and when Ray is not installed.
        """
        super().__init__()
        _require("ray", "ray", "Ray")
        if address is not None and not isinstance(address, str):
            raise ParameterError(f"`Ray` takes the address of a cluster, or nothing; got {address!r}")
        if workers is not None:
            check_count("workers", workers, least=1)
            if address is not None:
                raise ParameterError("`workers` is for a cluster of Ray's own; one that is there has its workers")
        self._address = address
        self._workers = workers

    def __repr__(self) -> str:
        return f"Ray({_public(self._address)!r})" if self._address is not None else f"Ray(workers={self._workers})"

    def _session(self) -> Session:
        close = ray.connected(self._address, self._workers)
        try:
            return session.ClusterSession(ray.RayCarrier(close))
        except BaseException:
            close()
            raise


def _nothing() -> None:
    """A client that was given is not ours to close."""


def cluster_of(name: str, workers: int | None) -> Kept:
    """The runtime that a name or URL stands for; raises `ParameterError` for others."""
    if name == "dask":
        return Dask(workers=workers)
    if name == "ray":
        return Ray(workers=workers)
    scheme, _, place = name.partition("://")
    if scheme == "dask" and place:
        return Dask(place, workers=workers)
    raise ParameterError(
        f"a cluster is 'dask', 'dask://host:port' or 'ray'; got {_public(name)!r}. "
        "For a Ray cluster that is there use `daglite.runtime.Ray(address)`"
    )


def _require(module: str, extra: str, engine: str) -> None:
    if util.find_spec(module) is None:
        raise ParameterError(f"{engine} is not installed; it comes with the extra: pip install 'daglite[{extra}]'")


def _checked(address: str) -> str:
    """The address of a scheduler as Dask writes it."""
    text = address.removeprefix("dask://")
    full = text if "://" in text else f"tcp://{text}"
    scheme, _, place = full.partition("://")
    host, _, port = place.rpartition(":")
    if not place or (scheme in ("tcp", "tls") and not (host and port.isdecimal())):
        raise ParameterError(f"the address of a Dask scheduler is 'host:port'; got {_public(address)!r}")
    return full


def _public(address: str) -> str:
    """An address without what may be a secret in it."""
    head, at, rest = address.rpartition("@")
    scheme = f"{head.partition('://')[0]}://" if "://" in head else ""
    return f"{scheme}...@{rest}" if at else address
