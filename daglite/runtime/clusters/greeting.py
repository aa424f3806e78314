"""What a worker of Dask says of itself, and whether it can be one of ours."""

from __future__ import annotations

from daglite.exceptions import ExecutionError
from daglite.runtime.clusters.carrier import Spot, words_of
from daglite.runtime.clusters.parcels import STAMP

__all__ = ["spot_of"]


def spot_of(name: str, threads: int, answer: object) -> Spot:
    """The spot of a worker by what it says of itself; raises `ExecutionError` when it could not do anything for us."""
    match answer:
        case (stamp, str(process), int(pid)) if stamp == STAMP:
            return Spot(name, threads, process=process, pid=pid)
        case (stamp, _, _):
            raise ExecutionError(
                f"Dask worker {name} has {stamp}, the coordinator {STAMP}; install the same versions on both sides"
            )
        case BaseException():
            raise ExecutionError(
                f"Dask worker {name} cannot run daglite: {words_of(answer)}; install daglite on the workers"
            )
        case _:
            raise ExecutionError(f"Dask worker {name} gave {answer!r} when it was greeted")
