"""Counts what a run costs its coordinator: messages, bytes, pickles, wake-ups. It measures no time."""

from __future__ import annotations

import pickle
import selectors
import socket
import sys
import threading
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from daglite.runtime.dataflow.batching import BatchSizer
from daglite.runtime.engines.processes.eventfd import EventFd
from daglite.runtime.engines.processes.pool import ProcessEngine
from daglite.runtime.engines.processes.selector import WorkerSelector
from daglite.runtime.kernel.work import WorkItem
from daglite.runtime.serialization.pickler import Codec
from daglite.runtime.transport.frames import Frame, FrameReader, FrameWriter

__all__ = ["Costs", "calls_of", "costs_of"]


class Costs(Counter[str]):
    """How often, or how many bytes.

    `batches` and `work_results`: messages to and from workers, `sent` and `received` their items. `sends`, `receives`:
    calls of the kernel for them, `through_sockets` the bytes that these took and brought. `waits`: waits for workers,
    each a wake-up of the coordinator, however often a brief one looks at the sockets before it sleeps; `sleeps`: looks
    at sockets that may block; `rings`: wake-ups of workers. `pickles`: calls of `pickle.dumps` in the
    coordinator, `largest` the bytes of the largest; `captures`: items pickled when they were yielded. `busiest`: items
    that went to the worker with most of them.
    """


def costs_of(run: Callable[[], object], patch: pytest.MonkeyPatch, *, seconds: float = 1e-7) -> Costs:
    """What it costs; each item takes `seconds` of a worker's time, as far as the size of batches goes."""
    costs = Costs()
    with patch.context() as patched:

        def around(owner: Any, name: str, note: Callable[..., None]) -> None:
            real = getattr(owner, name)

            def noting(*arguments: Any, **options: Any) -> Any:
                found = real(*arguments, **options)
                note(found, *arguments)
                return found

            patched.setattr(owner, name, noting)

        def pushed(_: None, writer: FrameWriter, frame: Frame, *__: object) -> None:
            costs[frame.kind.name.lower()] += 1
            costs["sent"] += sum(memoryview(segment).nbytes for segment in frame.segments)

        def read(frames: list[Frame], *_: object) -> None:
            costs["replies"] += sum(frame.kind.name in ("DONE", "FAIL", "PIECE") for frame in frames)
            costs["received"] += sum(memoryview(segment).nbytes for frame in frames for segment in frame.segments)

        def pickled(data: bytes, *_: object) -> None:
            costs["pickles"] += 1
            costs["largest"] = max(costs["largest"], len(data))

        def slept(_: object, __: object, timeout: float | None) -> None:
            costs["sleeps"] += timeout != 0

        def count(what: str) -> Callable[..., None]:
            return lambda *_: costs.update({what: 1})

        def moved(what: str) -> Callable[..., None]:
            def note(found: Any, *_: object) -> None:
                costs[what] += 1
                costs["through_sockets"] += found[0] if isinstance(found, tuple) else found

            return note

        observe = BatchSizer.observe
        patched.setattr(
            BatchSizer, "observe", lambda batch_sizer, n, _, nbytes: observe(batch_sizer, n, n * seconds, nbytes)
        )
        around(FrameWriter, "push", pushed)
        served: Counter[int] = Counter()

        def submitted(_: None, session: ProcessEngine, work_item: WorkItem) -> None:
            (worker,) = [worker for worker in session._pool if work_item in worker.work_items]
            served[worker.pid] += work_item.item_count
            costs["busiest"] = max(served.values())

        around(ProcessEngine, "submit", submitted)
        around(FrameReader, "read", read)
        for name in ("send", "sendmsg"):
            around(socket.socket, name, moved("sends"))
        for name in ("recv_into", "recvmsg_into"):
            around(socket.socket, name, moved("receives"))
        around(EventFd, "notify", count("rings"))
        around(WorkerSelector, "select", count("waits"))
        around(selectors.DefaultSelector, "select", slept)
        around(pickle, "dumps", pickled)
        around(Codec, "serialize", count("captures"))
        run()
    costs["batches"] = costs["batch"]
    return costs


def calls_of(run: Callable[[], object], *, on: str | None = None) -> int:
    """How many calls of daglite's own functions in Python it takes on this thread, or on new threads of this name."""
    calls = 0

    def note(frame: FrameType, event: str, _: object) -> None:
        nonlocal calls
        if event == "call" and str(frame.f_globals.get("__name__")).startswith("daglite."):
            calls += on is None or threading.current_thread().name == on

    before = sys.getprofile()
    sys.setprofile(note if on is None else None)
    threading.setprofile(note if on is not None else None)
    try:
        run()
    finally:
        sys.setprofile(before)
        threading.setprofile(None)
    return calls
