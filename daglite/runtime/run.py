"""One run of a program: which stage may start, what it needs, who waits for whom."""

from __future__ import annotations

import copy
import itertools
import logging
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sized
from typing import TypeAlias, assert_never

from daglite.exceptions import ExecutionError, Failure, ParameterError
from daglite.options import RunSettings, Store
from daglite.program import (
    CallStage,
    Constant,
    MappedSource,
    MaterialiseStage,
    Operand,
    Program,
    Result,
    Stage,
    Step,
    StreamStage,
    operands,
)
from daglite.runtime.awaiting import PrivateLoop
from daglite.runtime.batch import Batcher
from daglite.runtime.board import Board
from daglite.runtime.calls import Calls
from daglite.runtime.chain import BoundStep, Chain, bind_step, open_items
from daglite.runtime.endings import Collecting, Ending, Folding, Handover, Intake
from daglite.runtime.failures import raise_blamed
from daglite.runtime.inline import InlineFlow, run_steps
from daglite.runtime.install import pack_steps
from daglite.runtime.merge import Merge
from daglite.runtime.pool import ProcessSession, usable_processors
from daglite.runtime.saving import SaveBook, Saver
from daglite.runtime.shipping import Shipping
from daglite.runtime.source import Source
from daglite.runtime.stream import StreamFlow
from daglite.runtime.verdict import Verdict
from daglite.runtime.window import Window
from daglite.runtime.wire import Codec
from daglite.runtime.worker import inside_worker

__all__ = ["Cancelled", "Execution", "Flow"]

_log = logging.getLogger("daglite")

Flow: TypeAlias = StreamFlow | InlineFlow


class Cancelled(ExecutionError):
    """The run was cancelled from outside."""


class Execution:
    """One run. Use it as a context manager: leaving it ends everything the run started."""

    def __init__(self, program: Program, settings: RunSettings, store: Store) -> None:
        self._program = program
        self._settings = settings
        self._loop = PrivateLoop()
        self._book = SaveBook(store)
        self._values: dict[int, object] = {}
        self._readers = Counter(o.stage for s in program.stages for o in operands(s) if isinstance(o, Result))
        self._waiting = list(range(len(program.stages)))
        self._board: Board | None = None
        self._calls: Calls | None = None
        self._flow: Flow | None = None
        self._cancelled = threading.Event()
        self._inline = settings.runtime == "inline"
        if inside_worker() and not self._inline:
            # A tree of processes would be nobody's: a run inside a task stays in its worker.
            _log.info("daglite: a run inside a worker runs inline")
            self._inline = True
        self._codec = None if self._inline else Codec("c")

    def __enter__(self) -> Execution:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        try:
            self.close()
        except Exception as late:
            # The first error is the one to see; what went wrong while cleaning up is its context.
            if error is None:
                raise
            error.__context__ = error.__context__ or late

    def run(self) -> object:
        """Run every stage; the value of the last."""
        self._run_all(len(self._program.stages))
        return self._values[len(self._program.stages) - 1]

    def items(self, *, ordered: bool) -> Iterator[object]:
        """Run all stages but the last, then hand out its items one by one as they are asked for."""
        last = len(self._program.stages) - 1
        self._run_all(last)
        stage = self._program.stages[last]
        if not isinstance(stage, StreamStage):
            self._run_all(last + 1)
            yield from self._list_of(last)
            return
        handover = Handover()
        flow = self._flow = self._open(last, stage, handover, ordered=ordered)
        more = True
        while more or handover.waiting:
            while more and not handover.waiting:
                self._check()
                more = flow.advance()
            if handover.waiting:
                value, nbytes = handover.waiting.popleft()
                flow.release(nbytes)
                flow.rest()
                yield value
        self._close_flow()

    def cancel(self) -> None:
        """End the run from another thread: it raises `Cancelled` at its next turn."""
        self._cancelled.set()
        if self._board is not None:
            self._board.session.wake()

    def close(self) -> None:
        """End the source, the helper thread, the workers and the private loop, whatever state they are in."""
        try:
            self._close_flow()
        finally:
            try:
                if self._board is not None:
                    self._board.session.close()
                    self._board = None
            finally:
                self._loop.close()

    def _run_all(self, end: int) -> None:
        """Run the stages below `end`: calls on workers side by side, everything else in turn on this thread."""
        while True:
            self._start_calls(end)
            self._check()
            here = next((n for n in self._waiting if n < end and self._ready(n)), None)
            if here is not None:
                self._waiting.remove(here)
                self._finish(here, self._run_here(here, self._program.stages[here]))
            elif self._calls is not None and self._calls.under_way:
                assert self._board is not None
                self._board.poll(None)
            else:
                return

    def _check(self) -> None:
        if self._cancelled.is_set():
            raise Cancelled("the run was cancelled")
        if self._calls is not None and self._calls.error is not None:
            raise self._calls.error

    def _ready(self, number: int) -> bool:
        stage = self._program.stages[number]
        return all(o.stage in self._values for o in operands(stage) if isinstance(o, Result))

    def _finish(self, number: int, value: object) -> None:
        self._values[number] = value
        for operand in operands(self._program.stages[number]):
            if isinstance(operand, Result):
                self._readers[operand.stage] -= 1
                if not self._readers[operand.stage]:
                    # Its last reader has it: a list may be large.
                    del self._values[operand.stage]

    # Single calls.

    def _start_calls(self, end: int) -> None:
        """Send every call whose arguments are there to a worker."""
        if self._inline:
            return
        for number in [n for n in self._waiting if n < end and self._ready(n)]:
            stage = self._program.stages[number]
            if isinstance(stage, MaterialiseStage) or (isinstance(stage, CallStage) and stage.place == "workers"):
                self._waiting.remove(number)
                self._start_call(number, stage, end)

    def _start_call(self, number: int, stage: CallStage | MaterialiseStage, end: int) -> None:
        self._open_board()
        assert self._calls is not None
        if isinstance(stage, MaterialiseStage):
            step = self._bind(stage.step)
            saver = self._book.open(stage.step.saves, step)

            def listed(value: object) -> None:
                if saver is not None and not stage.streamed:
                    saver(None, value)
                self._call_done(number, value, end)

            each = saver if stage.streamed else None
            self._calls.generate(number, step, streamed=stage.streamed, saver=each, done=listed)
            return
        steps = [self._bind(step) for step in stage.steps]
        last = self._book.open(stage.steps[-1].saves, steps[-1])

        def done(value: object) -> None:
            if last is not None:
                last(None, value)
            self._call_done(number, value, end)

        self._calls.start(number, steps, done)

    def _call_done(self, number: int, value: object, end: int) -> None:
        self._finish(number, value)
        # What waited only for this can go on at once, also while a stream is running.
        self._start_calls(end)

    # Stages on this thread.

    def _run_here(self, number: int, stage: Stage) -> object:
        match stage:
            case CallStage():
                return self._call_here(stage)
            case MaterialiseStage():
                return self._list_here(stage)
            case StreamStage():
                return self._stream_here(number, stage)
            case _:
                assert_never(stage)

    def _call_here(self, stage: CallStage) -> object:
        steps = [self._bind(step) for step in stage.steps]
        saver = self._book.open(stage.steps[-1].saves, steps[-1])
        savers = [None] * (len(steps) - 1) + [saver]
        return run_steps(Chain(steps, self._loop), None, None, savers)

    def _list_here(self, stage: MaterialiseStage) -> object:
        step = self._bind(stage.step)
        saver = self._book.open(stage.step.saves, step)
        if stage.streamed:
            collecting = Collecting()
            self._drive(InlineFlow(self._source(stage.step, step, saver), Chain([], self._loop), [], collecting, None))
            return collecting.items
        return run_steps(Chain([step], self._loop), None, None, [saver])

    def _stream_here(self, number: int, stage: StreamStage) -> object:
        if stage.ending == "reduce":
            assert stage.end is not None
            assert stage.initial is not None
            step = self._bind(stage.end)
            saver = self._book.open(stage.end.saves, step)
            initial = _copied(self._value(stage.initial), stage.end)
            folding = Folding(step, bind_step(step, self._loop), initial)
            self._drive(self._open(number, stage, folding, ordered=stage.ordered))
            if saver is not None:
                saver(None, folding.value)
            return folding.value
        collecting = Collecting()
        join = self._bind(stage.end) if stage.end is not None else None
        saver = self._book.open(stage.end.saves, join) if stage.end is not None and join is not None else None
        self._drive(self._open(number, stage, collecting, ordered=True))
        if join is None:
            return collecting.items
        return run_steps(Chain([join], self._loop), collecting.items, None, [saver])

    def _drive(self, flow: Flow) -> None:
        self._flow = flow
        while flow.advance():
            self._check()
        self._close_flow()

    def _close_flow(self) -> None:
        if self._flow is not None:
            flow, self._flow = self._flow, None
            flow.close()

    def _open(self, number: int, stage: StreamStage, ending: Ending, *, ordered: bool) -> Flow:
        """The flow of a stream; without tasks on items there is nothing for workers to do."""
        if isinstance(stage.source, Step):
            step = self._bind(stage.source)
            source = self._source(stage.source, step, self._book.open(stage.source.saves, step))
        else:
            first = stage.links[0] if stage.links else stage.end
            assert first is not None
            codec = self._codec if stage.links else None
            items = self._mapped(stage.source, first)
            source = Source(items, name=first.function.name, number=first.number, saver=None, codec=codec)
        links = [self._bind(link) for link in stage.links]
        savers = [self._book.open(link.saves, bound) for link, bound in zip(stage.links, links, strict=True)]
        if self._inline or not links:
            codec = self._codec if isinstance(stage.source, Step) else None
            return InlineFlow(source, Chain(links, self._loop), savers, ending, codec)
        return self._stream_flow(number, stage, source, links, savers, ending, ordered=ordered)

    def _stream_flow(
        self,
        number: int,
        stage: StreamStage,
        source: Source,
        links: list[BoundStep],
        savers: list[Saver | None],
        ending: Ending,
        *,
        ordered: bool,
    ) -> StreamFlow:
        board = self._open_board()
        codec = self._codec
        assert codec is not None
        # The last step's result comes back anyway; of the others only what is saved.
        steps = [_tapped(step, saver) for step, saver in zip(links[:-1], savers, strict=False)] + links[-1:]
        wanted = [saver for saver in savers[:-1] if saver is not None] + savers[-1:]
        board.session.install(number, pack_steps(codec, steps))
        workers = board.session.workers
        window = Window(stage.limits.items(workers), stage.limits.nbytes)
        merge: Merge[list[object]] = Merge(ordered=ordered)
        verdict = Verdict(ordered=ordered)
        shipping = Shipping(
            board=board,
            codec=codec,
            program=number,
            steps=steps,
            window=window,
            batcher=Batcher(stage.limits.batch_items(workers)),
            merge=merge,
            verdict=verdict,
            retries=self._settings.worker_retries,
        )
        return StreamFlow(
            source=source,
            shipping=shipping,
            window=window,
            merge=merge,
            verdict=verdict,
            intake=Intake(wanted, ending),
            board=board,
            helper_thread=stage.limits.helper_thread,
        )

    def _open_board(self) -> Board:
        """The engine, started when something first needs it."""
        if self._board is None:
            assert self._codec is not None
            workers = self._settings.workers or usable_processors()
            self._board = Board(ProcessSession(workers, self._settings.start_method, self._codec))
            self._calls = Calls(self._board, self._codec, self._settings.worker_retries)
        return self._board

    # Arguments.

    def _source(self, step: Step, bound: BoundStep, saver: Saver | None) -> Source:
        try:
            items = open_items(bound, self._loop)
        except BaseException as error:
            raise_blamed(error, Failure(step.function.name, step.number))
        return Source(items, name=step.function.name, number=step.number, saver=saver, codec=self._codec)

    def _mapped(self, source: MappedSource, step: Step) -> Iterator[object]:
        lists = [self._iterable(name, self._value(operand), step) for name, operand in source.sources]
        if len(lists) == 1:
            return iter(lists[0])
        if source.mode == "product":
            return itertools.product(*lists)
        sizes = {name: len(one) for (name, _), one in zip(source.sources, lists, strict=True) if isinstance(one, Sized)}
        if len(set(sizes.values())) > 1:
            told = ", ".join(f"'{name}' has {size}" for name, size in sizes.items())
            raise ParameterError(f"`map` of task '{step.function.name}' zips values of different lengths: {told}")
        return iter(zip(*lists, strict=True))

    def _iterable(self, name: str, value: object, step: Step) -> Iterable[object]:
        if isinstance(value, Iterable):
            return value
        raise ParameterError(
            f"`map` of task '{step.function.name}' needs an iterable for '{name}'; the future gave {value!r}"
        )

    def _list_of(self, number: int) -> list[object]:
        value = self._values[number]
        assert isinstance(value, list)
        return value

    def _bind(self, step: Step) -> BoundStep:
        arguments = tuple((name, self._value(operand)) for name, operand in step.arguments)
        return BoundStep(step.number, step.function, arguments, step.items)

    def _value(self, operand: Operand) -> object:
        return operand.value if isinstance(operand, Constant) else self._values[operand.stage]


def _tapped(step: BoundStep, saver: Saver | None) -> BoundStep:
    if saver is None:
        return step
    return BoundStep(step.number, step.function, step.arguments, step.items, tapped=True)


def _copied(initial: object, step: Step) -> object:
    """A deep copy, so that a fold that changes its accumulator leaves the plan as it was."""
    try:
        return copy.deepcopy(initial)
    except Exception as error:
        name = step.function.name
        raise ParameterError(
            f"`initial` of `reduce` with task '{name}' cannot be copied: {initial!r}: {error}"
        ) from error
