"""Operators and tasks that run in the coordinator between two segments on workers, as one operator chain.

Items have an index on the way: an operation numbers its output from 0, a filter leaves gaps.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import FrameType
from typing import NamedTuple

from daglite.exceptions import Failure, ReplayRecord
from daglite.operations.operator import Operator
from daglite.operations.take import TakeOperator
from daglite.program import Segment, Step
from daglite.runtime.dataflow.bound_segments import BoundSegment
from daglite.runtime.dataflow.operator_chain import OperatorChain
from daglite.runtime.dataflow.saves import Saver
from daglite.runtime.kernel.bound_step import BoundStep
from daglite.runtime.kernel.errors import attempts_of, raise_with_failure, short_repr
from daglite.runtime.kernel.event_loop import PrivateLoop
from daglite.runtime.kernel.fused_loop import SKIPPED
from daglite.runtime.kernel.retry import RetryTracker
from daglite.runtime.kernel.steps import StepChain
from daglite.runtime.kernel.timers import StepTimer
from daglite.task_context import CurrentCall, register_reader

Pair = tuple[Segment, BoundSegment]


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


class CoordinatorOps(NamedTuple):
    """An operator chain, and the step whose results come out of it. `known` are their indices if these have gaps."""

    pipe: OperatorChain
    last: Step
    numbering: ItemNumbering
    known: IndexMap | None
    timers: tuple[StepTimer, ...] = ()


def between(
    pairs: Sequence[Pair],
    following: Pair | None,
    before: Step,
    loop: PrivateLoop,
    *,
    retry_tracker: RetryTracker,
    gaps: bool,
    index_of: Callable[[int], int] | None = None,
    most: int | None = None,
) -> CoordinatorOps:
    """Return the operators from the step `before` to the next segment on workers, or to the sink.

    `gaps`: the input has indices with gaps. `index_of` returns the index of an input position, where no exchange sets
    it. At most `most` results come out.
    """
    numbering, last = ItemNumbering(), before
    operators: list[Operator] = []
    timers: list[StepTimer] = []
    counting = None if index_of is None else _NumberingOp(numbering, index_of)
    for planned, bound in (*pairs, *(() if following is None else ((following[0], following[1]._replace(links=[])),))):
        if bound.pipe is not None:
            operators += bound.pipe.operators
            timers += bound.pipe.timers
            last, gaps, counting = planned.operations[-1].step, False, _NumberingOp(numbering)
        if bound.links:
            # Only tasks use the index while an item passes.
            operators += [] if counting is None else [counting]
            chain = StepChain(bound.links, loop, retry_tracker=retry_tracker)
            timers += chain.timers
            operators.append(_ApplyOp(chain, bound.savers, numbering))
            last, gaps = planned.links[-1], gaps or any(link.drops for link in bound.links)
            counting = None
    if most is not None:
        operators.append(TakeOperator(most))
    return CoordinatorOps(OperatorChain(operators), last, numbering, IndexMap() if gaps else None, tuple(timers))


def numbered(items: Iterator[object], numbering: ItemNumbering, known: IndexMap) -> Iterator[object]:
    """Yield the output of an operator chain and store the index of each item."""
    for place, item in enumerate(items):
        known.learn(place, numbering.now)
        yield item


class _NumberingOp(Operator):
    """Numbers the items that pass."""

    def __init__(self, numbering: ItemNumbering, index_of: Callable[[int], int] | None = None) -> None:
        self._numbering = numbering
        self._places = itertools.count()
        self._index_of = index_of

    def feed(self, item: object) -> Iterable[object]:
        place = next(self._places)
        self._numbering.now = place if self._index_of is None else self._index_of(place)
        return (item,)


class _ApplyOp(Operator):
    """Calls tasks on each item."""

    def __init__(self, chain: StepChain, savers: Sequence[Saver | None], numbering: ItemNumbering) -> None:
        self._steps = list(zip(chain.calls, chain.steps, savers, strict=True))
        self._numbering = numbering

    def feed(self, item: object) -> Iterable[object]:
        value = item
        for call, step, saver in self._steps:
            try:
                given = call(value)
                if given is SKIPPED or (step.filters and not given):
                    return ()
            except BaseException as error:
                attempt, first = attempts_of(step.function, error), self._steps[0][1]
                index, kept = self._numbering.now, ReplayRecord(first.number, item, first.seed)
                raise_with_failure(
                    error, Failure(step.function.name, step.number, index, short_repr(item), attempt, kept=kept)
                )
            value = value if step.filters else given
            if saver is not None:
                saver(self._numbering.now, value)
        return (value,)

    def at_work(self, step: BoundStep) -> CurrentCall:
        """Return the call of a step with the item that passes."""
        index = self._numbering.now
        return CurrentCall(step.function.name, step.seed, step.step_id, index, index)


def _at_step(frame: FrameType) -> CurrentCall | None:
    applying: _ApplyOp = frame.f_locals["self"]
    return applying.at_work(frame.f_locals["step"])


register_reader(_ApplyOp.feed, _at_step)
