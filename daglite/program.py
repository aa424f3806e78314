"""What compile makes and a runtime runs: flat numbered steps, data only, picklable, without reference to the ir.

A program is a tuple of stages in an order in which they may run; a stage is one step or several that run as one.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from daglite.functions import Function
from daglite.options import Limits, Save
from daglite.records import record

__all__ = [
    "CallStage",
    "Combine",
    "Constant",
    "EndKind",
    "Firing",
    "MapMode",
    "MappedSource",
    "MaterialiseStage",
    "Operand",
    "Place",
    "Program",
    "Result",
    "Stage",
    "Step",
    "StreamStage",
    "operands",
    "steps_of",
]

Place = Literal["coordinator", "workers"]
MapMode = Literal["zip", "product"]
EndKind = Literal["collect", "join", "reduce"]


@record
class Constant:
    """An argument known at compile time, held by reference."""

    value: object


@record(eq=True)
class Result:
    """An argument that is the value of an earlier stage: of a list the first `limit`, where there is such a number."""

    stage: int
    limit: int | None = None

    def first(self, count: int) -> Result:
        """The head of the list that it is."""
        return Result(self.stage, count if self.limit is None else min(count, self.limit))


Operand: TypeAlias = Constant | Result


@record
class Step:
    """One task in its place.

    `arguments` are bound before the stage starts; `items` are the parameters that each item (or the value before it)
    fills: for a fold the accumulator and the item. `node` names the ir node that stands on this line of `explain`.
    `passes` is the text of the type of the items that a filter lets pass; None where the step is no filter. Of a
    generator that is a source no more than `limit` items are asked for.
    """

    number: int
    node: str
    function: Function
    arguments: tuple[tuple[str, Operand], ...]
    items: tuple[str, ...] = ()
    saves: tuple[Save, ...] = ()
    passes: str | None = None
    limit: int | None = None

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
        return self.function.returns if self.passes is None else self.passes


@record
class CallStage:
    """Single calls, each taking the value of the one before; the saves are those of the last."""

    place: Place
    steps: tuple[Step, ...]


@record
class MaterialiseStage:
    """A generator run on a worker, its items sent back in pieces and kept as a list.

    `streamed` is true for `.iter()` in a plan that is not optimised: its saves are one for each item, and its retries
    end with the first item; false for a direct call, whose saves hold the whole list.
    """

    step: Step
    streamed: bool


@record
class MappedSource:
    """Mapped arguments as a source of items: single values, or tuples when there are several sources; the first `limit`
    of them, where there is such a number.
    """

    sources: tuple[tuple[str, Operand], ...]
    mode: MapMode
    limit: int | None = None


@record
class Combine:
    """How a fold may be done in parts: `step` puts two accumulators together, in the coordinator.

    `place` tells where the fold runs. On workers the part of a batch starts from `empty` (None: the runtime looks for
    it), that of the first one from the fold's initial value. `step` has the number of the fold.
    """

    step: Step
    empty: Operand | None
    place: Place


@record
class StreamStage:
    """A source in the coordinator, tasks on its items in workers, and an ending in the coordinator.

    `end` is the joined or folding step (None for "collect"); `initial`, `ordered` and `combine` belong to "reduce". The
    stream is over when `most` results have come, where there is such a number.
    """

    source: Step | MappedSource
    links: tuple[Step, ...]
    ending: EndKind
    end: Step | None
    initial: Operand | None
    ordered: bool
    limits: Limits
    combine: Combine | None = None
    most: int | None = None

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
    """The tasks of a stage in the order in which data flows through them."""
    match stage:
        case CallStage():
            return stage.steps
        case MaterialiseStage():
            return (stage.step,)
        case StreamStage():
            first = (stage.source,) if isinstance(stage.source, Step) else ()
            return (*first, *stage.links, *((stage.end,) if stage.end else ()))


def operands(stage: Stage) -> list[Operand]:
    """Everything a stage must have before it starts."""
    found = [operand for step in steps_of(stage) for _, operand in step.arguments]
    if isinstance(stage, StreamStage):
        if isinstance(stage.source, MappedSource):
            found.extend(operand for _, operand in stage.source.sources)
        if stage.initial is not None:
            found.append(stage.initial)
        if stage.combine is not None:
            found.extend(operand for _, operand in stage.combine.step.arguments)
            found.extend([stage.combine.empty] if stage.combine.empty is not None else [])
    return found
