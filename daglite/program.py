"""The program: the result of compile and the input of a runtime. Flat numbered steps, plain data, picklable.

A program is a tuple of stages in a valid order of execution; a stage is one step, or several that run as one. It has no
reference to the ir.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

from daglite.functions import Function, Placement
from daglite.operations import OperationKind
from daglite.options import Limits, Save
from daglite.records import record

Place = Literal["coordinator", "workers"]
MapMode = Literal["zip", "product"]
# The sink "pulled" hands items to the stage that reads them, one by one, as it asks for them.
SinkKind = Literal["collect", "pulled", "join", "reduce"]


@record
class Constant:
    """An argument that is known at compile time, held by reference."""

    value: object


@record(eq=True)
class StageResult:
    """An argument that is the value of an earlier stage; of a list the first `limit` items (None: all)."""

    stage: int
    limit: int | None = None

    def first(self, count: int) -> StageResult:
        """Return the operand limited to its first `count` items."""
        return StageResult(self.stage, count if self.limit is None else min(count, self.limit))


Operand: TypeAlias = Constant | StageResult


@record
class Step:
    """A call of one task, numbered in data order.

    `arguments` are bound before the stage starts; `items` are the parameters filled by each item, or by the value of
    the step before (of a fold: the accumulator and the item). `node` names the ir node that begins here, for `explain`.
    `passes` is the type of the items that pass a filter, as text; None for other steps. A source is asked for at most
    `limit` items. The result of a step that `spreads` is unbatched next, so that it may arrive in chunks; the items of
    one that `flattens` go to the next step one by one.
    """

    number: int
    node: str
    function: Function
    arguments: tuple[tuple[str, Operand], ...]
    items: tuple[str, ...] = ()
    saves: tuple[Save, ...] = ()
    passes: str | None = None
    limit: int | None = None
    spreads: bool = False
    flattens: bool = False

    @property
    def filters(self) -> bool:
        """Whether the step is a filter."""
        return self.passes is not None

    @property
    def drops(self) -> bool:
        """Whether the step may drop items: it is a filter, or skips items at which it fails."""
        return self.filters or self.function.skips

    @property
    def output_type(self) -> str:
        """The type of the step's output items, as text."""
        if self.passes is not None:
            return self.passes
        return self.function.result if self.flattens else self.function.returns


@record
class CallStage:
    """Single calls, each of which takes the value of the one before; saves belong to the last one."""

    place: Place
    steps: tuple[Step, ...]


@record
class MaterialiseStage:
    """A generator that runs to its end on a worker or in the coordinator, and gives a list.

    `streamed` is true for `.iter()` in a plan that is not optimised: it saves each item, and retries only before the
    first item. It is false for a direct call, which saves the whole list.
    """

    step: Step
    streamed: bool

    @property
    def place(self) -> Place:
        """The place in which the generator runs."""
        return "coordinator" if self.step.function.stays or self.step.function.here else "workers"


@record
class MappedSource:
    """Mapped arguments as a source of items, of tuples where there are several; `limit` bounds their number."""

    sources: tuple[tuple[str, Operand], ...]
    mode: MapMode
    limit: int | None = None


@record
class CombineStep:
    """The combination of partial results of a fold: `step` merges two accumulators, in the coordinator.

    `place` is where the fold runs. On workers the partial result of the first batch starts from the initial value of
    the fold, each other one from `empty` (None: the runtime finds it). `step` has the number of the fold. `named`: the
    fold is one of daglite's own, such as `.sum()`.
    """

    step: Step
    empty: Operand | None
    place: Place
    named: bool = False


@record
class StreamOperation:
    """An operation on several items of a stream, such as `.batch`, in order and in the coordinator.

    `step` has its number, its name and its saves. The function of the step is the user's where the operation calls one
    for each item (a condition, a key), else a plain definition of the operation. `output_type` is the type of its items
    as text. `numbers` are its whole numbers by name. `operand` is the second input of `zip`: a list, or a stream with
    the sink "pulled".
    """

    kind: OperationKind
    step: Step
    output_type: str
    numbers: tuple[tuple[str, int], ...] = ()
    operand: Operand | None = None

    @property
    def calls_task(self) -> bool:
        """Whether the operation calls a task for each item."""
        return bool(self.step.items)


@record
class Segment:
    """A part of a stream: operations, in this order, then tasks (`links`) on each item of their output.

    Items are numbered from 0 where they leave an operation, and keep that index up to the next operation.
    """

    operations: tuple[StreamOperation, ...] = ()
    links: tuple[Step, ...] = ()

    @property
    def site(self) -> Placement | None:
        """The placement that its tasks ask for, the same for all."""
        return self.links[0].function.site if self.links else None

    @property
    def loops(self) -> bool:
        """Whether its tasks share an event loop, the same for all."""
        return bool(self.links) and self.links[0].function.loops


@record
class StreamStage:
    """A source in the coordinator, segments through which its items flow, and a sink in the coordinator.

    Operations run in the coordinator, tasks on workers; only the last segment may be without tasks. `sink_step` is the
    step of the sinks "join" and "reduce", `initial`, `ordered` and `combine` belong to "reduce". `finish` computes the
    value of a fold from its last accumulator, in the coordinator; it has the number of the fold. The stream ends after
    `max_results` results (None: with its source).
    """

    source: Step | MappedSource
    segments: tuple[Segment, ...]
    sink: SinkKind
    sink_step: Step | None
    initial: Operand | None
    ordered: bool
    limits: Limits
    combine: CombineStep | None = None
    max_results: int | None = None
    finish: Step | None = None

    @property
    def links(self) -> tuple[Step, ...]:
        """The tasks of all segments."""
        return tuple(link for segment in self.segments for link in segment.links)

    @property
    def operations(self) -> tuple[StreamOperation, ...]:
        """The operations of all segments."""
        return tuple(operation for segment in self.segments for operation in segment.operations)

    @property
    def last(self) -> Segment:
        """The segment before the sink."""
        return self.segments[-1]

    @property
    def folds_on_workers(self) -> bool:
        """Whether workers fold their batches to partial results."""
        return self.combine is not None and self.combine.place == "workers"


Stage: TypeAlias = CallStage | MaterialiseStage | StreamStage


@record(eq=True)
class Firing:
    """A rule that changed the graph: how often, its first change as text, and the law that makes it correct."""

    rule: str
    count: int
    before: str
    after: str
    law: str = ""


@record
class Program:
    """The stages, the last of which gives the result; `trace` and `remarks` explain how the compiler made them."""

    stages: tuple[Stage, ...]
    title: str
    streams: bool
    optimised: bool
    limits: Limits
    trace: tuple[Firing, ...]
    remarks: tuple[str, ...]


def steps_of(stage: Stage) -> tuple[Step, ...]:
    """Return the tasks and operations of a stage in the order in which data flows through them."""
    match stage:
        case CallStage():
            return stage.steps
        case MaterialiseStage():
            return (stage.step,)
        case StreamStage():
            first = (stage.source,) if isinstance(stage.source, Step) else ()
            return (*first, *_segment_steps(stage.segments), *((stage.sink_step,) if stage.sink_step else ()))


def _segment_steps(segments: tuple[Segment, ...]) -> Iterator[Step]:
    for segment in segments:
        yield from (operation.step for operation in segment.operations)
        yield from segment.links


def is_pulled(stage: Stage) -> bool:
    """Return whether a stage is a stream that another stage pulls, so that it does not run by itself."""
    return isinstance(stage, StreamStage) and stage.sink == "pulled"


def operands(stage: Stage) -> list[Operand]:
    """Return the operands that must be known before a stage starts."""
    found = [operand for step in steps_of(stage) for _, operand in step.arguments]
    if isinstance(stage, StreamStage):
        if isinstance(stage.source, MappedSource):
            found.extend(operand for _, operand in stage.source.sources)
        found.extend(operation.operand for operation in stage.operations if operation.operand is not None)
        if stage.initial is not None:
            found.append(stage.initial)
        if stage.combine is not None:
            found.extend(operand for _, operand in stage.combine.step.arguments)
            found.extend([stage.combine.empty] if stage.combine.empty is not None else [])
        if stage.finish is not None:
            found.extend(operand for _, operand in stage.finish.arguments)
    return found
