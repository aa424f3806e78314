"""What comes out: rows of medians, tables of rows, and the report of all tables, to and from JSON."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import cast

from benchmarks.shape import Better, Entry, Kind, Sample, Workload

__all__ = ["Machine", "Report", "Row", "SCHEMA", "Table", "goodness", "row_of", "table_of"]

SCHEMA = 1


@dataclass(frozen=True)
class Row:
    """The medians of one contestant, or why there are none. `figures` are those of all rounds, in their order."""

    contestant: str
    kind: Kind
    items: int
    absent: str | None = None
    figure: float = 0.0
    seconds: float = 0.0
    processor: float = 0.0
    peak_mb: float = 0.0
    extras: dict[str, float] = field(default_factory=dict)
    figures: list[float] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether it took part and broke, as opposed to not being there."""
        return self.absent is not None and self.absent.startswith("fails")


@dataclass(frozen=True)
class Table:
    """One workload."""

    name: str
    what: str
    unit: str
    better: Better
    beside: list[str]
    floor: float
    rows: list[Row]

    def row(self, contestant: str) -> Row | None:
        """The row of this contestant, when it has a figure."""
        return next((row for row in self.rows if row.contestant == contestant and row.absent is None), None)

    def ratio(self, row: Row, other: Row) -> float | None:
        """How many times as good as the other one."""
        return goodness(row.figure, other.figure, self.better, self.floor)


@dataclass(frozen=True)
class Machine:
    """Where it was measured; nothing that names the machine."""

    cores: int
    python: str
    system: str
    versions: dict[str, str]


@dataclass(frozen=True)
class Report:
    """One run of the whole command."""

    date: str
    rounds: int
    quick: bool
    machine: Machine
    tables: list[Table]
    schema: int = SCHEMA

    def table(self, name: str) -> Table | None:
        """The table of this workload, when it was measured."""
        return next((table for table in self.tables if table.name == name), None)

    def to_json(self) -> str:
        """As text; floats keep what is significant."""
        return json.dumps(_rounded(asdict(self)), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Report:
        """The report that `to_json` wrote; raises `ValueError` for another schema."""
        data = json.loads(text)
        if data.get("schema") != SCHEMA:
            raise ValueError(f"results of schema {data.get('schema')!r}, but this reads schema {SCHEMA}: measure again")
        machine, tables = data.pop("machine"), data.pop("tables")
        return cls(
            **data,
            machine=Machine(**machine),
            tables=[Table(**{**table, "rows": [Row(**row) for row in table["rows"]]}) for table in tables],
        )


def goodness(figure: float, other: float, better: Better, floor: float = 0.0) -> float | None:
    """How many times as good as another figure; None where it would be divided by nothing."""
    figure, other = max(figure, floor), max(other, floor)
    if better == "less":
        figure, other = other, figure
    return figure / other if other else None


def row_of(entry: Entry, items: int, samples: Sequence[Sample], absent: str | None = None) -> Row:
    """The medians of the samples; `absent` when there are none."""
    if absent is not None or not samples:
        return Row(entry.name, entry.kind, items, absent or "not measured")
    names = samples[0].extras
    return Row(
        contestant=entry.name,
        kind=entry.kind,
        items=items,
        figure=statistics.median(sample.figure for sample in samples),
        seconds=statistics.median(sample.seconds for sample in samples),
        processor=statistics.median(sample.processor for sample in samples),
        peak_mb=statistics.median(sample.peak for sample in samples),
        extras={name: statistics.median(sample.extras[name] for sample in samples) for name in names},
        figures=[sample.figure for sample in samples],
    )


def table_of(workload: Workload, rows: Sequence[Row]) -> Table:
    """The table of a workload."""
    return Table(
        workload.name, workload.what, workload.unit, workload.better, list(workload.beside), workload.floor, list(rows)
    )


def _rounded(value: object) -> object:
    match value:
        case float():
            return float(f"{value:.4g}")
        case dict():
            return {key: _rounded(inner) for key, inner in cast("dict[str, object]", value).items()}
        case list():
            return [_rounded(inner) for inner in cast("list[object]", value)]
        case _:
            return value
