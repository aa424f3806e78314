"""Counts what a run costs its coordinator: messages, bytes, pickles, wake-ups. Times are not measured, so they are fixed."""

from __future__ import annotations

import pickle
import selectors
import socket
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from daglite.runtime.batch import Batcher
from daglite.runtime.frames import Frame, FrameReader, FrameWriter
from daglite.runtime.wire import Codec

__all__ = ["Costs", "costs_of"]


class Costs(Counter[str]):
    """How often, or how many bytes.

    `batches` and `replies`: messages to and from workers. `sent`: bytes to workers. `sends`, `receives`: calls of the
    kernel for them. `waits`: looks at all sockets, each a wake-up. `pickles`: calls of pickle in the coordinator, and
    `captures` single items pickled. `largest` is the number of bytes of the largest pickle.
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

        def pushed(_: None, writer: FrameWriter, frame: Frame) -> None:
            costs[frame.kind.name.lower()] += 1
            costs["sent"] += sum(memoryview(segment).nbytes for segment in frame.segments)

        def read(frames: list[Frame], *_: object) -> None:
            costs["replies"] += sum(frame.kind.name in ("DONE", "FAIL", "PIECE") for frame in frames)
            costs["received"] += sum(memoryview(segment).nbytes for frame in frames for segment in frame.segments)

        def pickled(data: bytes, *_: object) -> None:
            costs["pickles"] += 1
            costs["largest"] = max(costs["largest"], len(data))

        def count(what: str) -> Callable[..., None]:
            return lambda *_: costs.update({what: 1})

        observe = Batcher.observe
        patched.setattr(Batcher, "observe", lambda batcher, n, _, nbytes: observe(batcher, n, n * seconds, nbytes))
        around(FrameWriter, "push", pushed)
        around(FrameReader, "read", read)
        around(socket.socket, "send", count("sends"))
        around(socket.socket, "sendmsg", count("sends"))
        around(socket.socket, "recv_into", count("receives"))
        around(selectors.DefaultSelector, "select", count("waits"))
        around(pickle, "dumps", pickled)
        around(Codec, "capture", count("captures"))
        around(Codec, "dumps", count("programs"))
        run()
    costs["batches"] = costs["batch"]
    return costs
