"""The state of each run in a worker process of a cluster: a codec, the programs, the batches that run.

run_job --> state_of(run) --> RunState --> ClusterProgram --> ChainRunner: the chain that a thread calls
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable

from daglite.exceptions import TransferError
from daglite.runtime.engines.clusters.messages import ClusterJob, writable
from daglite.runtime.kernel.bound_step import BoundStep
from daglite.runtime.kernel.chunked_results import OpenIterators
from daglite.runtime.kernel.event_loop import PrivateLoop
from daglite.runtime.kernel.program_bytes import unpack_steps
from daglite.runtime.kernel.retry import RetryTracker, portable
from daglite.runtime.kernel.steps import StepChain
from daglite.runtime.kernel.work_runner import WorkRunner
from daglite.runtime.serialization.codec import Packed
from daglite.runtime.serialization.pickler import Codec

# A coordinator that dies cannot tell that its run is over. What is dropped here too early is sent again.
_MAX_RUNS, _MAX_PROGRAMS, _MAX_ENDED_RUNS = 8, 64, 64


class _WorkerCodec(Codec):
    """A codec whose arrays can be written to: the cluster hands over immutable bytes."""

    def unpack(self, payload: Packed) -> tuple[list[object], int | None]:
        return super().unpack(writable(payload))


class ChainRunner:
    """A chain that one thread at a time may call, with its event loop."""

    def __init__(self, steps: list[BoundStep], codec: Codec) -> None:
        self.loop = PrivateLoop()
        self.retry_tracker = RetryTracker(portable=portable(codec), worker=os.getpid, announce=self._report)
        self.chain = StepChain(steps, self.loop, self._announce, self.retry_tracker)
        self.limited = any(step.function.timeout is not None for step in steps)
        # Set for a job: called with each step that has a time limit, and with each that may end this process.
        self.on_limited_step: Callable[[int, float], None] | None = None
        self.report_step: Callable[[int], None] | None = None

    def close(self) -> None:
        """Close the event loop. An async generator of the user's own may raise then: nothing waits for it."""
        with contextlib.suppress(Exception):
            self.loop.close()

    def _announce(self, step: int, seconds: float) -> None:
        if self.on_limited_step is not None:
            self.on_limited_step(step, seconds)

    def _report(self, step: int, seconds: float) -> None:
        if self.report_step is not None:
            self.report_step(step)


class ClusterProgram:
    """The steps of a program, with the chain runners that no thread uses."""

    def __init__(self, codec: Codec, body: bytes) -> None:
        self._codec = codec
        self._steps: list[BoundStep] = []
        self._error: BaseException | None = None
        self._free: list[ChainRunner] = []
        try:
            self._steps = unpack_steps(codec, body)
        except TransferError as error:
            self._error = error
        except BaseException as error:
            self._error = TransferError(f"a task cannot be loaded in a worker: {error!r}")

    def acquire(self) -> ChainRunner:
        """Return a chain runner for one thread; raises `TransferError` when the program could not be loaded."""
        if self._error is not None:
            raise self._error
        try:
            return self._free.pop()
        except IndexError:
            return ChainRunner(self._steps, self._codec)

    def release(self, chain_runner: ChainRunner) -> None:
        """Take a chain runner back."""
        chain_runner.on_limited_step = chain_runner.report_step = None
        self._free.append(chain_runner)

    def close(self) -> None:
        """Close the chain runners that are free."""
        while self._free:
            self._free.pop().close()


class RunState:
    """One run in this process. Any thread may use it."""

    def __init__(self) -> None:
        self.owner = f"w{os.getpid()}-{os.urandom(8).hex()}"
        self.codec = _WorkerCodec(self.owner)
        self.active: set[WorkRunner] = set()
        # The rest of results that are sent in several chunks.
        self.opened = OpenIterators()
        # The number of the coordinator's definitions that are known here.
        self.have = 0
        self.over = False
        # By id, and kept, so that no other object can have the id.
        self._received: dict[int, bytes] = {}
        self._own: list[bytes] = []
        self._scanned = 0
        self._programs: OrderedDict[int, ClusterProgram] = OrderedDict()
        self._lock = threading.Lock()

    def load(self, job: ClusterJob) -> ClusterProgram | None:
        """Load what a job brings and return its program; None when the program or definitions are missing."""
        with self._lock:
            if job.base > self.have:
                return None
            for body in job.definitions[self.have - job.base :]:
                # An item that needs a definition that cannot be loaded here fails, with its index.
                with contextlib.suppress(Exception):
                    self.codec.add_definition(body)
                self._received[id(body)] = body
                self.have += 1
            if job.program not in self._programs and job.body is not None:
                self._programs[job.program] = ClusterProgram(self.codec, job.body)
                if len(self._programs) > _MAX_PROGRAMS:
                    self._programs.popitem(last=False)
            found = self._programs.get(job.program)
            if found is not None:
                self._programs.move_to_end(job.program)
            return found

    def own_definitions(self, first: int) -> list[bytes]:
        """Return what this process defined itself, from number `first` on."""
        with self._lock:
            definitions = self.codec.definitions
            while self._scanned < len(definitions):
                if id(definitions[self._scanned]) not in self._received:
                    self._own.append(definitions[self._scanned])
                self._scanned += 1
            return self._own[first:]

    def release(self, program: ClusterProgram, chain_runner: ChainRunner) -> None:
        """Take a chain runner back from a thread."""
        program.release(chain_runner)
        if self.over:
            program.close()

    def end(self) -> None:
        """End the jobs of the run after the item that they are at."""
        self.over = True
        for runner in list(self.active):
            runner.stop()
        # The thread of the cluster library has other work, and an event loop of its own.
        threading.Thread(target=self._close, name="daglite-drop", daemon=True).start()

    def _close(self) -> None:
        # The `finally` of a user's generator may raise: nothing waits for it.
        with contextlib.suppress(Exception):
            self.opened.forget()
        for program in list(self._programs.values()):
            program.close()


_RUNS: OrderedDict[str, RunState] = OrderedDict()
# Runs that have ended: a job of theirs that arrives late must not begin.
_ENDED: OrderedDict[str, None] = OrderedDict()
_LOCK = threading.Lock()


def state_of(run: str) -> RunState | None:
    """Return the state of a run, new when there is none; None when the run has ended."""
    with _LOCK:
        if run in _ENDED:
            return None
        found = _RUNS.get(run)
        if found is None:
            found = _RUNS[run] = RunState()
            if len(_RUNS) > _MAX_RUNS:
                _RUNS.popitem(last=False)
        _RUNS.move_to_end(run)
        return found


def drop_run(run: str) -> None:
    """Forget a run that has ended, and end its jobs."""
    with _LOCK:
        found = _RUNS.pop(run, None)
        _ENDED[run] = None
        if len(_ENDED) > _MAX_ENDED_RUNS:
            _ENDED.popitem(last=False)
    if found is not None:
        found.end()
