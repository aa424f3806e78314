"""Operators of a run: those of `daglite.operations`, saves, and tasks that run in the coordinator.

StreamOperation --make_operator--> Operator --between--> CoordinatorOps    fed in order, in the coordinator

Items have an index on the way: an operation numbers its output from 0, a filter leaves gaps.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import FrameType
from typing import NamedTuple, NoReturn

from daglite.exceptions import Failure, ReplayRecord
from daglite.operations import spec_of
from daglite.operations.operator import Operator, OperatorInputs
from daglite.operations.take import TakeOperator
from daglite.program import Step, StreamOperation
from daglite.runtime.dataflow.operator_chain import OperatorChain
from daglite.runtime.dataflow.saves import Saver
from daglite.runtime.dataflow.sinks import ExchangeQueue
from daglite.runtime.kernel.bound_step import BoundStep
from daglite.runtime.kernel.errors import attempts_of, raise_with_failure, short_repr
from daglite.runtime.kernel.fused_loop import SKIPPED
from daglite.runtime.kernel.steps import StepChain
from daglite.task_context import CurrentCall, register_reader


class BoundSegment(NamedTuple):
    """A segment bound to the objects of a run: its operations, their operators as one chain (None if it has none), its
    steps, and a saver for each step.
    """

    operations: Sequence[StreamOperation]
    operators: OperatorChain | None
    links: list[BoundStep]
    savers: list[Saver | None]


def make_operator(operation: StreamOperation, task: Callable[..., object] | None, operand: object = None) -> Operator:
    """Return a new operator; `task` is the bound task of the operation, `operand` the value that it reads besides."""
    function, number = operation.step.function, operation.step.number

    def fail(error: BaseException, item: object, index: int, *, by_task: bool = False) -> NoReturn:
        attempt = attempts_of(function, error) if by_task else 1
        raise_with_failure(error, Failure(function.name, number, index, short_repr(item), attempt))

    inputs = OperatorInputs(dict(operation.numbers), task, function.name, operand, fail)
    return spec_of(operation.kind).operator(inputs)


class SavingOperator(Operator):
    """Saves each item before it goes on, numbered from 0."""

    def __init__(self, saver: Callable[[int, object], None]) -> None:
        self._saver = saver
        self._count = 0

    def feed(self, item: object) -> Iterable[object]:
        self._saver(self._count, item)
        self._count += 1
        return (item,)


class CallOperator(Operator):
    """Calls tasks on each item, in this process."""

    def __init__(
        self, chain: StepChain, savers: Sequence[Saver | None], numbering: ItemNumbering | None = None
    ) -> None:
        """`numbering` has the index of the item that passes; without it the operator makes a single call."""
        self._steps = list(zip(chain.calls, chain.steps, savers, strict=True))
        self._numbering = numbering

    @property
    def index(self) -> int | None:
        """The index of the item that passes."""
        return None if self._numbering is None else self._numbering.now

    def feed(self, item: object) -> Iterable[object]:
        """Return the value of the last step, unless a step drops the item; each value is saved before the next step."""
        value = item
        for call, step, saver in self._steps:
            try:
                given = call(value)
                if given is SKIPPED or (step.filters and not given):
                    return ()
            except BaseException as error:
                shown, kept, first = None, None, self._steps[0][1]
                if self._numbering is not None:
                    shown, kept = short_repr(item), ReplayRecord(first.number, item, first.seed)
                attempt = attempts_of(step.function, error)
                raise_with_failure(
                    error, Failure(step.function.name, step.number, self.index, shown, attempt, kept=kept)
                )
            value = value if step.filters else given
            if saver is not None:
                saver(None if self._numbering is None else self._numbering.now, value)
        return (value,)


def _at_step(frame: FrameType) -> CurrentCall:
    operator: CallOperator = frame.f_locals["self"]
    step: BoundStep = frame.f_locals["step"]
    index = operator.index
    return CurrentCall(step.function.name, step.seed, step.step_id, index, 0 if index is None else index)


register_reader(CallOperator.feed, _at_step)


class ItemNumbering:
    """The index of the item that passes an operator chain: `now` is that of the last output."""

    def __init__(self) -> None:
        self.now = -1


class IndexMap:
    """The indices of items by their positions, where a filter leaves gaps; each is kept until its results are taken."""

    def __init__(self) -> None:
        self._indices: dict[int, int] = {}

    def __getitem__(self, place: int, /) -> int:
        return self._indices[place]

    def learn(self, place: int, index: int) -> None:
        """Store the index of a new item."""
        self._indices[place] = index

    def span(self, first: int, size: int) -> list[int]:
        """Remove and return the indices of these items."""
        return [self._indices.pop(place) for place in range(first, first + size)]


class _NumberingOperator(Operator):
    """Numbers the items that pass."""

    def __init__(self, numbering: ItemNumbering, index_of: Callable[[int], int] | None = None) -> None:
        self._numbering = numbering
        self._places = itertools.count()
        self._index_of = index_of

    def feed(self, item: object) -> Iterable[object]:
        place = next(self._places)
        self._numbering.now = place if self._index_of is None else self._index_of(place)
        return (item,)


class CoordinatorOps(NamedTuple):
    """Operators between two segments on workers. `last` is the step whose results come out of their chain; `known` are
    the indices of these if they have gaps. The results of workers wait in the `queue`.
    """

    queue: ExchangeQueue
    chain: OperatorChain
    last: Step | BoundStep
    numbering: ItemNumbering
    known: IndexMap | None


def between(
    segments: Sequence[BoundSegment],
    following: BoundSegment | None,
    before: Step | BoundStep,
    bind_chain: Callable[[Sequence[BoundStep]], StepChain],
    *,
    gaps: bool,
    index_of: Callable[[int], int] | None = None,
    most: int | None = None,
) -> CoordinatorOps:
    """Return the operators from the step `before` to the next segment on workers, or to the sink.

    `bind_chain` prepares tasks for calls in this process. `gaps`: the input has indices with gaps. `index_of` returns
    the index of an input position, where no exchange sets it. At most `most` results come out.
    """
    numbering, last = ItemNumbering(), before
    operators: list[Operator] = []
    counting = None if index_of is None else _NumberingOperator(numbering, index_of)
    for segment in (*segments, *(() if following is None else (following._replace(links=[]),))):
        if segment.operators is not None:
            operators += segment.operators.operators
            last, gaps, counting = segment.operations[-1].step, False, _NumberingOperator(numbering)
        if segment.links:
            # Only tasks use the index while an item passes.
            operators += [] if counting is None else [counting]
            operators.append(CallOperator(bind_chain(segment.links), segment.savers, numbering))
            last, gaps = segment.links[-1], gaps or any(link.drops for link in segment.links)
            counting = None
    if most is not None:
        operators.append(TakeOperator(most))
    return CoordinatorOps(ExchangeQueue(), OperatorChain(operators), last, numbering, IndexMap() if gaps else None)


def numbered(items: Iterator[object], numbering: ItemNumbering, known: IndexMap) -> Iterator[object]:
    """Yield the output of an operator chain and store the index of each item."""
    for place, item in enumerate(items):
        known.learn(place, numbering.now)
        yield item
