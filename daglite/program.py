"""What compile makes and a runtime runs: flat numbered steps, data only, picklable, without reference to the ir.

A program is a tuple of stages in an order in which they may run; a stage is one step or several that run as one.
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
# A stream that ends "beside" is pulled, item by item, by the stage that reads it.
EndKind = Literal["collect", "beside", "join", "reduce"]


@record
class Constant:
    """An argument known at compile time, held by reference."""

    value: object


@record(eq=True)
class StageResult:
    """An argument that is the value of an earlier stage: of a list the first `limit`, where there is such a number."""

    stage: int
    limit: int | None = None

    def first(self, count: int) -> StageResult:
        """The head of the list that it is."""
        return StageResult(self.stage, count if self.limit is None else min(count, self.limit))


Operand: TypeAlias = Constant | StageResult


@record
class Step:
    """One task in its place.

    `arguments` are bound before the stage starts; `items` are the parameters that each item (or the value before it)
    fills: for a fold the accumulator and the item. `node` names the ir node that stands on this line of `explain`.
    `passes` is the text of the type of the items that a filter lets pass; None where the step is no filter. Of a
    generator that is a source no more than `limit` items are asked for. What one that `spreads` gives for an item is
    taken apart next, so that it may come in pieces; the items of one that `flattens` go to the next step one by one.
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
        """Whether the step lets items pass or drops them."""
        return self.passes is not None

    @property
    def drops(self) -> bool:
        """Whether items may end here: it is a filter, or skips those at which it fails."""
        return self.filters or self.function.skips

    @property
    def gives(self) -> str:
        """The text of the type of what goes on from here."""
        if self.passes is not None:
            return self.passes
        return self.function.result if self.flattens else self.function.returns


@record
class CallStage:
    """Single calls, each taking the value of the one before; the saves are those of the last."""

    place: Place
    steps: tuple[Step, ...]


@record
class MaterialiseStage:
    """A generator run on a worker, its items sent back in pieces and kept as a list; or in the coordinator.

    `streamed` is true for `.iter()` in a plan that is not optimised: its saves are one for each item, and its retries
    end with the first item; false for a direct call, whose saves hold the whole list.
    """

    step: Step
    streamed: bool

    @property
    def place(self) -> Place:
        """Where it runs."""
        return "coordinator" if self.step.function.stays or self.step.function.here else "workers"


@record
class MappedSource:
    """Mapped arguments as a source of items: single values, or tuples when there are several sources; the first `limit`
    of them, where there is such a number.
    """

    sources: tuple[tuple[str, Operand], ...]
    mode: MapMode
    limit: int | None = None


@record
class CombineStep:
    """How a fold may be done in parts: `step` puts two accumulators together, in the coordinator.

    `place` tells where the fold runs. On workers the part of a batch starts from `empty` (None: the runtime looks for
    it), that of the first one from the fold's initial value. `step` has the number of the fold. A `named` fold is one
    of daglite's own.
    """

    step: Step
    empty: Operand | None
    place: Place
    named: bool = False


@record
class StreamOperation:
    """What makes a new stream of the items that come, in order and in the coordinator, looking at more than one.

    `step` holds its number, its name and its saves. Its function is the user's where it is `asked` about each item (a
    condition, a key, a fold), else the function that defines the operation. `gives` is the text of the type of what
    comes out. `numbers` are its whole numbers by name. `operand` is what it reads besides: for `zip` a list, or a
    stream that ends "beside".
    """

    kind: OperationKind
    step: Step
    gives: str
    numbers: tuple[tuple[str, int], ...] = ()
    operand: Operand | None = None

    @property
    def asked(self) -> bool:
        """Whether the function of the step is a task that is called with each item."""
        return bool(self.step.items)


@record
class Segment:
    """A part of a stream: operations on the items that come in, in this order, then tasks on each item of what they
    give. Items are numbered from 0 where they leave an operation; up to the next one they keep that index.
    """

    operations: tuple[StreamOperation, ...] = ()
    links: tuple[Step, ...] = ()

    @property
    def site(self) -> Placement | None:
        """Where its links ask to run, all of them alike."""
        return self.links[0].function.site if self.links else None

    @property
    def loops(self) -> bool:
        """Whether its links share an event loop, all of them alike."""
        return bool(self.links) and self.links[0].function.loops


@record
class StreamStage:
    """A source in the coordinator, segments through which its items flow, and an ending in the coordinator.

    Operations run in the coordinator, links on workers; only the last segment may be without links. `end` is the joined
    or folding step (else None); `initial`, `ordered` and `combine` belong to "reduce". The stream is over when
    `most` results have come, where there is such a number.
    """

    source: Step | MappedSource
    segments: tuple[Segment, ...]
    sink: EndKind
    end: Step | None
    initial: Operand | None
    ordered: bool
    limits: Limits
    combine: CombineStep | None = None
    most: int | None = None
    # Makes the value of a fold of its last accumulator, in the coordinator; it has the number of the fold.
    finish: Step | None = None

    @property
    def links(self) -> tuple[Step, ...]:
        """The tasks on each item, of all segments."""
        return tuple(link for segment in self.segments for link in segment.links)

    @property
    def operations(self) -> tuple[StreamOperation, ...]:
        """The operations of all segments."""
        return tuple(operation for segment in self.segments for operation in segment.operations)

    @property
    def last(self) -> Segment:
        """The segment before the ending."""
        return self.segments[-1]

    @property
    def folds_on_workers(self) -> bool:
        """Whether workers fold their own batches."""
        return self.combine is not None and self.combine.place == "workers"


Stage: TypeAlias = CallStage | MaterialiseStage | StreamStage


@record(eq=True)
class Firing:
    """How often a rule changed the graph, its first change as text, and the law that makes the change a right one."""

    rule: str
    count: int
    before: str
    after: str
    law: str = ""


@record
class Program:
    """The stages, the last of which gives the result, with what `explain` prints about how they came to be."""

    stages: tuple[Stage, ...]
    title: str
    streams: bool
    optimised: bool
    limits: Limits
    trace: tuple[Firing, ...]
    remarks: tuple[str, ...]


def steps_of(stage: Stage) -> tuple[Step, ...]:
    """The tasks and operations of a stage in the order in which data flows through them."""
    match stage:
        case CallStage():
            return stage.steps
        case MaterialiseStage():
            return (stage.step,)
        case StreamStage():
            first = (stage.source,) if isinstance(stage.source, Step) else ()
            return (*first, *_within(stage.segments), *((stage.end,) if stage.end else ()))


def _within(segments: tuple[Segment, ...]) -> Iterator[Step]:
    for segment in segments:
        yield from (operation.step for operation in segment.operations)
        yield from segment.links


def is_beside(stage: Stage) -> bool:
    """Whether a stage is a stream that another pulls, and so does not run by itself."""
    return isinstance(stage, StreamStage) and stage.sink == "beside"


def operands(stage: Stage) -> list[Operand]:
    """Everything a stage must have before it starts."""
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
