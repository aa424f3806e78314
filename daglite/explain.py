"""A program as text: one line for each step, data flows down, then the rules that fired. Stable: no ids, no times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, assert_never

from daglite.options import MIB, Limits
from daglite.program import (
    CallStage,
    Constant,
    MaterialiseStage,
    Operand,
    Place,
    Program,
    Stage,
    Step,
    StreamStage,
    steps_of,
)
from daglite.sameness import Fingerprint
from daglite.shorten import shorten

__all__ = ["explain"]


class _Row(NamedTuple):
    """One line of the table."""

    step: Step
    joined: bool
    where: Place
    text: str
    type: str
    limits: list[str]


def explain(program: Program, print_: Fingerprint) -> str:
    """The plan as text; `print_` is its fingerprint."""
    table = _Table(program)
    rows = [row for stage in program.stages for row in table.rows(stage)]
    lines = [_head(program, print_), *_columns(rows), *_foot(program, print_)]
    return "\n".join(line.rstrip() for line in lines)


def _head(program: Program, print_: Fingerprint) -> str:
    name = print_.digest[:8] if print_.digest else "(no fingerprint)"
    kind = "optimised" if program.optimised else "not optimised"
    return f"plan {name}   {program.title}   {kind}   window <= {_window(program.limits)}"


def _window(limits: Limits) -> str:
    items = f"{limits.per_worker} items per worker" if limits.window is None else f"{limits.window} items"
    return f"{items}, {_bytes(limits.nbytes)}"


def _bytes(nbytes: int) -> str:
    return f"{nbytes // MIB} MiB" if nbytes % MIB == 0 else f"{nbytes} bytes"


def _columns(rows: list[_Row]) -> Iterator[str]:
    cells = [
        (str(row.step.number), "+" if row.joined else " ", row.where, row.text, row.type, ", ".join(row.limits))
        for row in rows
    ]
    head = ("#", " ", "where", "step", "type", "limits")
    widths = [max(len(line[column]) for line in [head, *cells]) for column in range(5)]
    for number, joint, where, text, type_, limits in [head, *cells]:
        left = f"{number:>{widths[0] + 1}} {joint} {where:{widths[2]}}  {text:{widths[3]}}"
        yield f"{left}  {type_:{widths[4]}}  {limits}"


def _foot(program: Program, print_: Fingerprint) -> Iterator[str]:
    fired = ", ".join(f"{firing.rule} {firing.count}" for firing in program.trace) or "none"
    not_fused = "; ".join(program.remarks) or "nothing"
    if not program.optimised:
        fired, not_fused = "none, optimize=False", "everything runs step by step"
    yield f"rules: {fired}            not fused: {not_fused}"
    if any(save.store is None for stage in program.stages for step in steps_of(stage) for save in step.saves):
        yield "saves without a store: the store of the run, by default the folder daglite_data"
    if print_.digest is None:
        yield f"no fingerprint: {print_.reason}"


@dataclass
class _Table:
    """Turns stages into rows; a result of another stage is shown by the number of that stage's last step."""

    program: Program

    def rows(self, stage: Stage) -> Iterator[_Row]:
        match stage:
            case CallStage():
                for position, step in enumerate(stage.steps):
                    verb = "then" if position else "join" if step.node == "JoinNode" else "call"
                    type_ = f"-> {step.function.returns}"
                    yield self._row(step, position > 0, stage.place, verb, type_, [step.node] if step.node else [])
            case MaterialiseStage():
                verb = "iter" if stage.streamed else "call"
                limits = [stage.step.node, "materialised, not bounded"]
                type_ = stage.step.function.result if stage.streamed else f"-> {stage.step.function.returns}"
                yield self._row(stage.step, False, "workers", verb, type_, limits)
            case StreamStage():
                yield from self._stream(stage)
            case _:
                assert_never(stage)

    def _stream(self, stage: StreamStage) -> Iterator[_Row]:
        joined = isinstance(stage.source, Step)
        if isinstance(stage.source, Step):
            step = stage.source
            yield self._row(step, False, "coordinator", "iter", step.function.result, [step.node])
        for link in stage.links:
            batch = "batch adaptive" if stage.limits.batch == Limits().batch else f"batch <= {stage.limits.batch}"
            verb, type_ = "then" if joined else "map", f"-> {link.function.returns}"
            first = [link.node] if link.node else []
            yield self._row(link, joined, "workers", verb, type_, [*first, batch], stage)
            joined = True
        if stage.end is not None:
            limits = [stage.end.node] if stage.end.node else []
            if stage.ending == "reduce":
                limits.append("ordered" if stage.ordered else "unordered")
            type_ = f"-> {stage.end.function.returns}"
            yield self._row(stage.end, joined, "coordinator", stage.ending, type_, limits, stage)

    def _row(
        self,
        step: Step,
        joined: bool,
        where: Place,
        verb: str,
        type_: str,
        limits: list[str],
        stage: StreamStage | None = None,
    ) -> _Row:
        shown = [f"{name}={self._operand(operand)}" for name, operand in self._arguments(step, joined, stage)]
        text = f"{verb} {step.function.name}" + (f"({', '.join(shown)})" if shown else "")
        if step.function.retries:
            limits.append(f"retries {step.function.retries}")
        if step.function.timeout is not None:
            limits.append(f"timeout {step.function.timeout:g} s")
        if not step.function.retry_on_crash:
            limits.append("no retry after a crash")
        limits.extend(f"save {save.key.text}" for save in step.saves)
        return _Row(step, joined, where, text, type_, limits)

    def _arguments(self, step: Step, joined: bool, stage: StreamStage | None) -> list[tuple[str, Operand]]:
        """The bound arguments, with the mapped ones of a first step and the initial value of a fold."""
        found = list(step.arguments)
        if stage is not None and not joined and not isinstance(stage.source, Step):
            found = [*stage.source.sources, *found]
            if stage.source.mode == "product":
                found.append(("map_mode", Constant("product")))
        if stage is not None and step is stage.end and stage.initial is not None:
            found.append(("initial", stage.initial))
        return found

    def _operand(self, operand: Operand) -> str:
        if isinstance(operand, Constant):
            return shorten(operand.value)
        return f"#{steps_of(self.program.stages[operand.stage])[-1].number}"
