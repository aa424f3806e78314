"""The programs of a pool: packed once, sent to each worker that needs them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import count

from daglite.runtime.engines.processes.worker_handle import WorkerProcess
from daglite.runtime.kernel.program_bytes import PackedSteps
from daglite.runtime.kernel.steps import BoundStep
from daglite.runtime.serialization.pickler import Codec
from daglite.runtime.transport.frames import Frame, Kind


class ProgramTable:
    """What is installed, by its number; what is forgotten stays until nothing of it waits to be sent."""

    def __init__(self) -> None:
        self._numbers = count()
        self._packed: dict[int, PackedSteps] = {}
        self._forgotten: list[PackedSteps] = []

    def add(self, codec: Codec, steps: Sequence[BoundStep]) -> int:
        """Pack a chain; its number."""
        packed = PackedSteps(codec, steps)
        number = next(self._numbers)
        self._packed[number] = packed
        return number

    def send(self, number: int, worker: WorkerProcess) -> None:
        """Queue a program for a worker, with the descriptors of its blocks."""
        packed = self._packed[number]
        frame = Frame(Kind.INSTALL, number, number=len(packed.descriptors), segments=packed.segments)
        worker.writer.push(frame, packed.descriptors)

    def forget(self, number: int) -> None:
        """Nobody will ask for this one any more."""
        packed = self._packed.pop(number, None)
        if packed is not None:
            self._forgotten.append(packed)

    def tidy(self, workers: Collection[WorkerProcess]) -> None:
        """Give back the blocks of what is forgotten, unless a worker has not been sent all of its frames yet."""
        if self._forgotten and not any(worker.writer for worker in workers):
            for packed in self._forgotten:
                packed.close()
            self._forgotten.clear()

    def clear(self) -> None:
        """Forget all of them, at the end of a run; whoever had something unsent has ended, or will."""
        for number in [*self._packed]:
            self.forget(number)

    def close(self) -> None:
        """Give everything back: the workers are gone."""
        self.clear()
        self.tidy(())
