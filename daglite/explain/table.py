"""A program as rows, one for each step in data order: the input of every format of `explain`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, assert_never

from daglite.fingerprint import Fingerprint
from daglite.functions import Function
from daglite.operations import OperationKind, spec_of
from daglite.options import MIB, Limits
from daglite.program import (
    CallStage,
    Constant,
    MappedSource,
    MaterialiseStage,
    Operand,
    Place,
    Program,
    Stage,
    StageResult,
    Step,
    StreamOperation,
    StreamStage,
    is_pulled,
    steps_of,
)
from daglite.retry import Retry
from daglite.short_repr import counted, shorten

Verb = Literal["iter", "map", "then", "filter", "call", "join", "reduce"] | OperationKind


class Argument(NamedTuple):
    """One argument as text; `step` is the number of the step whose value it is, None for a constant."""

    name: str
    text: str
    step: int | None


class TableRow(NamedTuple):
    """One step, or several like ones (see `fold`). `joined`: it belongs to the stage of the row above.

    `type` is the text of the type of its items or its value, `node` the ir node that begins here.
    """

    number: str
    stage: int
    joined: bool
    where: Place
    verb: Verb
    task: str
    arguments: tuple[Argument, ...]
    type: str
    node: str
    limits: tuple[str, ...]
    steps: int = 1

    @property
    def shown_number(self) -> str:
        """The first column: the number of the step; dots for several steps, whose numbers would make it wide."""
        return self.number if self.steps == 1 else "..."

    @property
    def call(self) -> str:
        """The verb, the task if there is one, and its arguments."""
        # Arguments for `*args` have no name.
        shown = ", ".join([one.text if one.name[:1] == "*" else f"{one.name}={one.text}" for one in self.arguments])
        many = f" (x {self.steps:,})" if self.steps > 1 else ""
        return f"{self.verb}{f' {self.task}' if self.task else ''}{f'({shown})' if shown else ''}{many}"

    @property
    def remarks(self) -> tuple[str, ...]:
        """The last column: the node and the limits."""
        return (self.node, *self.limits) if self.node else self.limits


@dataclass(frozen=True, slots=True)
class Table:
    """The content of `explain`; `fingerprint` is None for formats without one.

    `default_store`: some save names no store. `single_keys`: keys on streams that can hold one item only, with their
    tasks. `merging`: tasks that merge partial results on clusters. `coordinator`: sentences about its load.
    """

    program: Program
    fingerprint: Fingerprint | None
    rows: tuple[TableRow, ...]
    default_store: bool
    single_keys: tuple[str, ...]
    merging: tuple[str, ...]
    coordinator: tuple[str, ...]

    @property
    def digest(self) -> str | None:
        """The fingerprint as text; None where there is none."""
        return None if self.fingerprint is None else self.fingerprint.digest

    @property
    def short_fingerprint(self) -> str:
        """The fingerprint for headings."""
        return self.digest[:8] if self.digest else "(no fingerprint)"


def table_of(program: Program, fingerprint: Fingerprint | None, coordinator: tuple[str, ...] = ()) -> Table:
    """Return the table of a program; the result of another stage is shown by the number of that stage's last step."""
    stages = program.stages
    lasts = [steps_of(stage)[-1].number for stage in stages]
    # The step that pulls a stream which another stage reads item by item.
    pullers = {
        operand.stage: step
        for stage in stages
        if isinstance(stage, StreamStage)
        for operand, step in _pulled(stage)
        if isinstance(operand, StageResult) and is_pulled(stages[operand.stage])
    }
    rows = [
        row for number, stage in enumerate(stages) for row in _StageRows(number, lasts, pullers.get(number)).rows(stage)
    ]
    return Table(
        program,
        fingerprint,
        tuple(rows),
        default_store=any(save.store is None for stage in stages for step in steps_of(stage) for save in step.saves),
        single_keys=tuple([key for stage in stages for key in _single_keys(stage)]),
        merging=tuple([f"'{task}'" for stage in stages if (task := _merging_task(stage))]),
        coordinator=coordinator,
    )


def _pulled(stage: StreamStage) -> Iterator[tuple[Operand | None, int]]:
    """Yield the operands that a stream reads item by item, with the number of the step that does."""
    if isinstance(stage.source, MappedSource):
        yield from ((operand, steps_of(stage)[0].number) for _, operand in stage.source.sources)
    yield from ((operation.operand, operation.step.number) for operation in stage.operations)


def _merging_task(stage: Stage) -> str | None:
    if isinstance(stage, StreamStage) and stage.folds_on_workers and stage.combine and not stage.combine.named:
        return stage.combine.step.function.name
    return None


def _single_keys(stage: Stage) -> Iterator[str]:
    """Yield the keys on streams that do not contain the index of the item."""
    match stage:
        case StreamStage():
            steps = [step for step in steps_of(stage) if step is not stage.sink_step]
        case MaterialiseStage(streamed=True):
            steps = [stage.step]
        case _:
            steps = []
    for step in steps:
        for save in step.saves:
            if not save.key.uses_index:
                yield f"{save.key.text!r} (task '{step.function.name}')"


def in_flight_text(limits: Limits) -> str:
    """Return the largest number of items and of bytes in flight in a stream."""
    return f"{_items_text(limits)}, {_bytes_text(limits.max_in_flight_bytes)}"


def limits_text(limits: Limits) -> list[tuple[str, str]]:
    """Return the options of compile that bound a stream, each as its name and its meaning."""
    return [
        ("max in flight", f"{_items_text(limits)} between source and sink"),
        ("max in flight bytes", f"{_bytes_text(limits.max_in_flight_bytes)} of items and results"),
        ("max batch size", f"{counted(limits.max_batch_size, 'item')} in one message"),
        ("helper thread", f"results and folds {'go on' if limits.helper_thread else 'wait'} while the source waits"),
    ]


def _items_text(limits: Limits) -> str:
    most = limits.max_in_flight
    return f"{limits.per_worker} items per worker" if most is None else counted(most, "item")


def _bytes_text(nbytes: int) -> str:
    return f"{nbytes // MIB} MiB" if nbytes % MIB == 0 else f"{nbytes} bytes"


def _batch_text(limits: Limits) -> str:
    return "batch adaptive" if limits.max_batch_size == Limits().max_batch_size else f"batch <= {limits.max_batch_size}"


@dataclass
class _StageRows:
    """The rows of one stage; `puller` is the step that pulls it, where another stage reads it item by item."""

    number: int
    lasts: list[int]
    puller: int | None

    def rows(self, stage: Stage) -> Iterator[TableRow]:
        match stage:
            case CallStage():
                for position, step in enumerate(stage.steps):
                    verb: Verb = "then" if position else "join" if step.node == "JoinNode" else "call"
                    yield self._row(step, position > 0, stage.place, verb, f"-> {step.function.returns}", [])
            case MaterialiseStage():
                type_ = stage.step.function.result if stage.streamed else f"-> {stage.step.function.returns}"
                verb = "iter" if stage.streamed else "call"
                yield self._row(stage.step, False, stage.place, verb, type_, ["materialised, not bounded"])
            case StreamStage():
                *rows, last = self._stream(stage)
                if self.puller is not None:
                    last = last._replace(limits=(*last.limits, f"pulled by #{self.puller}"))
                yield from (*rows, last)
            case _:
                assert_never(stage)

    def _stream(self, stage: StreamStage) -> Iterator[TableRow]:
        joined = isinstance(stage.source, Step)
        if isinstance(stage.source, Step):
            yield self._row(stage.source, False, "coordinator", "iter", stage.source.function.result, [])
        for segment in stage.segments:
            for operation in segment.operations:
                yield self._operation(operation, joined, stage)
                joined = True
            for count, link in enumerate(segment.links, 1):
                verb: Verb = "filter" if link.filters else "then" if joined else "map"
                limits = [] if link.function.here else [_batch_text(stage.limits)]
                if stage.max_results is not None and segment is stage.last and count == len(segment.links):
                    limits.append(f"take {stage.max_results}")
                where: Place = "coordinator" if link.function.here else "workers"
                yield self._row(link, joined, where, verb, f"-> {link.output_type}", limits, stage)
                joined = True
        if stage.sink_step is not None:
            verb, limits = "join", []
            if stage.sink == "reduce":
                verb, limits = "reduce", ["ordered" if stage.ordered else "unordered", *_combine_remark(stage)]
            place: Place = "workers" if stage.folds_on_workers else "coordinator"
            yield self._row(
                stage.sink_step, joined, place, verb, f"-> {stage.sink_step.function.returns}", limits, stage
            )

    def _operation(self, operation: StreamOperation, joined: bool, stage: StreamStage) -> TableRow:
        """Return the row of an operation, with its numbers, the task that it calls, and the items that it keeps."""
        row = self._row(operation.step, joined, "coordinator", operation.kind, f"-> {operation.output_type}", [], stage)
        numbers = tuple(Argument(name, f"{number:_}", None) for name, number in operation.numbers)
        shown = [one for one in row.arguments if one.name not in dict(operation.numbers)]
        if operation.operand is not None:
            shown.append(self._argument(spec_of(operation.kind).operand, operation.operand))
        task = operation.step.function.name if operation.calls_task else ""
        kept = spec_of(operation.kind).keeps(**dict(operation.numbers))
        return row._replace(task=task, arguments=(*shown, *numbers), limits=tuple(filter(None, (kept, *row.limits))))

    def _row(
        self,
        step: Step,
        joined: bool,
        where: Place,
        verb: Verb,
        type_: str,
        limits: list[str],
        stage: StreamStage | None = None,
    ) -> TableRow:
        function = step.function
        limit = step.limit if joined or stage is None or isinstance(stage.source, Step) else stage.source.limit
        if limit is not None:
            limits.insert(0, f"take {limit}")
        arguments = tuple(self._argument(name, operand) for name, operand in _arguments(step, joined, stage))
        limits.extend(_options(function))
        limits.extend(f"save {save.key.text}" for save in step.saves)
        return TableRow(
            str(step.number), self.number, joined, where, verb, function.name, arguments, type_, step.node, (*limits,)
        )

    def _argument(self, name: str, operand: Operand) -> Argument:
        if isinstance(operand, Constant):
            return Argument(name, shorten(operand.value), None)
        number = self.lasts[operand.stage]
        head = "" if operand.limit is None else f"[:{operand.limit}]"
        return Argument(name, f"#{number}{head}", number)


def _arguments(step: Step, joined: bool, stage: StreamStage | None) -> list[tuple[str, Operand]]:
    """Return the bound arguments, with the mapped ones of a first step and the initial value of a fold."""
    found = list(step.arguments)
    if stage is not None and not joined and not isinstance(stage.source, Step):
        found = [*stage.source.sources, *found]
        if stage.source.mode == "product":
            found.append(("map_mode", Constant("product")))
    if stage is not None and step is stage.sink_step and stage.combine is not None and stage.combine.named:
        given = () if stage.finish is None else stage.finish.arguments
        found.extend((name, operand) for name, operand in given if name != "name" and not _is_zero(operand))
    elif stage is not None and step is stage.sink_step and stage.initial is not None:
        found.append(("initial", stage.initial))
        if stage.combine is not None:
            step, empty = stage.combine.step, stage.combine.empty
            found.extend([] if empty is None else [("empty", empty)])
            found.extend((f"{step.function.name}.{name}", operand) for name, operand in step.arguments)
    return found


def _options(function: Function) -> Iterator[str]:
    """Yield the options of a task."""
    if function.site is not None:
        yield f"on {function.site}"
    if function.retry is not None:
        yield _retry_text(function.retry)
    elif function.retries:
        yield f"retries {function.retries}"
    if function.timeout is not None:
        yield f"timeout {function.timeout:g} s"
    if not function.retry_on_crash:
        yield "no retry after a crash"
    if function.on_error == "keep":
        yield "errors kept"
    elif function.on_error != "raise":
        yield f"on error {function.on_error.name if isinstance(function.on_error, Function) else 'skip'}"


def _retry_text(retry: Retry) -> str:
    """Return a retry policy as text: how often, after which delays, and for which errors."""
    delays = f" after {retry.first_delay:g} s" if retry.first_delay else ""
    if retry.first_delay and retry.factor > 1 and retry.attempts > 2:
        delays += f" x {retry.factor:g}"
    at = "" if retry.on == (Exception,) else f" on {' | '.join(one.__name__ for one in retry.on)}"
    return f"retries {retry.attempts - 1}{delays}{at}"


def _is_zero(operand: Operand) -> bool:
    """Return whether this is 0, with which a sum begins by default."""
    return isinstance(operand, Constant) and type(operand.value) is int and not operand.value


def _combine_remark(stage: StreamStage) -> list[str]:
    """Return the remark on `combine`: whether the coordinator merges partial results of workers with it."""
    if stage.combine is None or stage.combine.named:
        return []
    name = stage.combine.step.function.name
    if stage.folds_on_workers:
        return [f"combine {name}"]
    # After a filter a result says which items passed, which a partial cannot; elsewhere the stream stays here.
    filtered = any(link.drops for link in stage.last.links)
    return [f"combine {name} not used after a filter" if filtered else f"combine {name} not needed"]
