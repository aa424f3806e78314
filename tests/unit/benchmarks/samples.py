"""A report with made-up figures."""

from __future__ import annotations

from benchmarks.results import Machine, Report, Row, Table
from benchmarks.shape import Kind

__all__ = ["report", "row"]


def row(contestant: str, figure: float, kind: Kind = "peer", extras: dict[str, float] | None = None) -> Row:
    """A row that took one second for a thousand items."""
    return Row(
        contestant=contestant,
        kind=kind,
        items=1000,
        figure=figure,
        seconds=1.0,
        processor=2.0,
        peak_mb=3.5,
        extras=extras or {},
        figures=[figure, figure * 1.5, figure],
    )


def report() -> Report:
    """Two workloads."""
    trivial = Table(
        name="trivial",
        what="nothing to do",
        unit="items/s",
        better="more",
        beside=["fork + pipes, batch 1024", "imap, chunk 256"],
        floor=0.0,
        rows=[
            row("fork + pipes, batch 1024", 4_000_000, "limit"),
            row("daglite", 3_000_000, "daglite"),
            row("imap, chunk 256", 2_000_000),
            Row("joblib", "peer", 1000, "not installed"),
        ],
    )
    latency = Table(
        name="latency",
        what="now and then",
        unit="ms",
        better="less",
        beside=["fork + pipes, own feeder"],
        floor=0.0,
        rows=[
            row("fork + pipes, own feeder", 0.25, "limit", {"max ms": 1.0}),
            row("daglite", 0.5, "daglite", {"max ms": 12.0}),
            row("executor", 256.0, extras={"max ms": 900.0}),
        ],
    )
    machine = Machine(2, "3.11.7", "Linux x86_64", {"daglite": "0.1.0"})
    return Report("2026-11-25", 3, False, machine, [trivial, latency])
