"""What a worker process of a cluster knows of each run: its endpoint for values, its programs, what it does for it."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable

from daglite.exceptions import TransferError
from daglite.runtime.engines.clusters.messages import ClusterJob
from daglite.runtime.kernel.batch import BatchRun
from daglite.runtime.kernel.chunked_results import OpenIterators
from daglite.runtime.kernel.event_loop import PrivateLoop
from daglite.runtime.kernel.program_bytes import unpack_steps
from daglite.runtime.kernel.retry import RetryTracker, portable
from daglite.runtime.kernel.steps import BoundStep, StepChain
from daglite.runtime.serialization.pickler import Codec

# A coordinator that dies cannot say that its run is over. What is given up here too early comes again.
_MOST_ROUNDS = 8
_MOST_PROGRAMS = 64


class ChainRunner:
    """A chain ready to be called by one thread at a time, with its event loop."""

    def __init__(self, steps: list[BoundStep], codec: Codec) -> None:
        self.loop = PrivateLoop()
        self.trials = RetryTracker(portable=portable(codec), worker=os.getpid, announce=self._tell)
        self.chain = StepChain(steps, self.loop, self._announce, self.trials)
        self.limited = any(step.function.timeout is not None for step in steps)
        # Whoever keeps time limits puts a function of its own here.
        self.listener: Callable[[int, float], None] = _nobody
        # Who is told of calls that may be the end of this process.
        self.mark: Callable[[int], None] | None = None

    def _announce(self, step: int, seconds: float) -> None:
        self.listener(step, seconds)

    def _tell(self, step: int, seconds: float) -> None:
        if self.mark is not None:
            self.mark(step)


def _nobody(step: int, seconds: float) -> None:
    """Nobody keeps time limits."""


class ClusterProgram:
    """Steps, and the benches that are free."""

    def __init__(self, codec: Codec, body: bytes) -> None:
        self._codec = codec
        self.steps: list[BoundStep] = []
        self.error: BaseException | None = None
        self.free: list[ChainRunner] = []
        try:
            self.steps = unpack_steps(codec, body)
        except TransferError as error:
            self.error = error
        except BaseException as error:
            self.error = TransferError(f"a task cannot be loaded in a worker: {error!r}")

    def chain_runner(self) -> ChainRunner:
        """A bench for one thread, which gives it back; raises `TransferError` when the program could not be loaded."""
        if self.error is not None:
            raise self.error
        try:
            return self.free.pop()
        except IndexError:
            return ChainRunner(self.steps, self._codec)

    def close(self) -> None:
        """Close the loops of benches that are free."""
        while self.free:
            _close(self.free.pop())


def _close_all(programs: list[ClusterProgram], opened: OpenIterators) -> None:
    # The user's `finally` may raise, and nobody is there to hear it.
    with contextlib.suppress(Exception):
        opened.forget()
    for program in programs:
        program.close()


def _close(chain_runner: ChainRunner) -> None:
    # An async generator of the user's own may raise when it is closed; nobody is left to hear it.
    with contextlib.suppress(Exception):
        chain_runner.loop.close()


class RunState:
    """One run, as this process knows it; any of its threads may ask."""

    def __init__(self) -> None:
        self.owner = f"w{os.getpid()}-{os.urandom(8).hex()}"
        self.codec = Codec(self.owner)
        self.active: set[BatchRun] = set()
        # What is left of results that are sent in pieces.
        self.opened = OpenIterators()
        # How many of the coordinator's definitions are known here.
        self.have = 0
        self.over = False
        # By id, and kept, so that no other object can have it.
        self._learned: dict[int, bytes] = {}
        self._own: list[bytes] = []
        self._seen = 0
        self._programs: OrderedDict[int, ClusterProgram] = OrderedDict()
        self._lock = threading.Lock()

    def take_in(self, job: ClusterJob) -> ClusterProgram | None:
        """Learn what a job brings, and find its program; None when something is missing."""
        with self._lock:
            if job.base > self.have:
                return None
            for body in job.definitions[self.have - job.base :]:
                # What cannot be loaded here shows when an item needs it, with the item's index.
                with contextlib.suppress(Exception):
                    self.codec.learn(body)
                self._learned[id(body)] = body
                self.have += 1
            if job.program not in self._programs and job.body is not None:
                self._programs[job.program] = ClusterProgram(self.codec, job.body)
                if len(self._programs) > _MOST_PROGRAMS:
                    self._programs.popitem(last=False)
            found = self._programs.get(job.program)
            if found is not None:
                self._programs.move_to_end(job.program)
            return found

    def own_definitions(self, known: int) -> list[bytes]:
        """What this process defined itself, from number `known` on."""
        with self._lock:
            definitions = self.codec.definitions
            while self._seen < len(definitions):
                if id(definitions[self._seen]) not in self._learned:
                    self._own.append(definitions[self._seen])
                self._seen += 1
            return self._own[known:]

    def give_back(self, program: ClusterProgram, chain_runner: ChainRunner) -> None:
        """A thread is done with a bench."""
        chain_runner.listener, chain_runner.mark = _nobody, None
        program.free.append(chain_runner)
        if self.over:
            program.close()

    def end(self) -> None:
        """Whatever goes on for it ends after the item it is at."""
        self.over = True
        for run in list(self.active):
            run.forget_rest()
        programs = list(self._programs.values())
        # Not on the thread of the engine, which has other things to do, and an event loop of its own.
        threading.Thread(target=_close_all, args=(programs, self.opened), name="daglite-drop", daemon=True).start()


_ROUNDS: OrderedDict[str, RunState] = OrderedDict()
# Runs that are over: a job of theirs that comes late must not begin.
_OVER: OrderedDict[str, None] = OrderedDict()
_LOCK = threading.Lock()


def round_of(run: str) -> RunState | None:
    """What is known of a run; None when it is over."""
    with _LOCK:
        if run in _OVER:
            return None
        found = _ROUNDS.get(run)
        if found is None:
            found = _ROUNDS[run] = RunState()
            if len(_ROUNDS) > _MOST_ROUNDS:
                _ROUNDS.popitem(last=False)
        _ROUNDS.move_to_end(run)
        return found


def drop_round(run: str) -> None:
    """A run is over: forget it, and end what is done for it."""
    with _LOCK:
        found = _ROUNDS.pop(run, None)
        _OVER[run] = None
        if len(_OVER) > _MOST_ROUNDS * _MOST_ROUNDS:
            _OVER.popitem(last=False)
    if found is not None:
        found.end()
