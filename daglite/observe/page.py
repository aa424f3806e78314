"""A timeline as one HTML file: a lane for each worker, what waits where, a table of shares. No network; prints well."""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, NamedTuple, cast

from daglite.exceptions import DagliteError
from daglite.observe.amounts import count_text, seconds_text
from daglite.observe.timeline import BESIDE, COORDINATOR, FORMAT, SOURCE
from daglite.short_repr import counted

# The drawing, in units of its own; a slice that is smaller than one is drawn together with its neighbours.
_LEFT, _WIDTH, _LANE, _BAR = 110, 1090, 26, 18
_COLOURS = ("#2f81f7", "#d2761f", "#2da44e", "#a475f9", "#cf4a7a", "#1b9aaa", "#9a6700", "#6e7781")
_STYLE = """\
:root { color-scheme: light dark; --ink: #1f2328; --paper: #ffffff; --line: #d0d7de; --soft: #f6f8fa; --wait: #afb8c1; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --paper: #0d1117; --line: #3d444d; --soft: #161b22; --wait: #545d68; }
}
@media print { :root { color-scheme: light; --ink: #000; --paper: #fff; --line: #999; --soft: #fff; --wait: #bbb; } }
body { margin: 2rem auto; max-width: 76rem; padding: 0 1rem; color: var(--ink); background: var(--paper);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.3rem; margin: 0 0 .2rem; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
.wide { overflow-x: auto; }
svg { width: 100%; min-width: 46rem; height: auto; font: 12px system-ui, sans-serif; }
svg text { fill: var(--ink); }
svg .lane { fill: var(--soft); }
svg .tick { stroke: var(--line); }
svg .wait { fill: var(--wait); }
svg .mark { fill: #cf222e; }
svg .alive { fill: none; stroke: var(--ink); stroke-width: 1.2; }
.key span { display: inline-block; margin-right: 1.2rem; }
.key i { display: inline-block; width: .8rem; height: .8rem; margin-right: .35rem; vertical-align: -1px; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: right; padding: .3rem .6rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
th { background: var(--soft); }"""


class TraceError(DagliteError):
    """A file is not what `trace=` writes."""


class _Slice(NamedTuple):
    """Something that took time, in microseconds; `key` gives its colour."""

    begin: float
    end: float
    name: str
    key: str
    items: int


@dataclass
class _Lane:
    """What one worker, the source or the coordinator did."""

    number: int
    name: str = ""
    order: int = 0
    slices: list[_Slice] = field(default_factory=list)
    marks: list[tuple[float, str]] = field(default_factory=list)


@dataclass
class _Trace:
    """What a file tells."""

    title: str
    runtime: str
    end: float
    lanes: list[_Lane]
    in_flight: dict[str, list[tuple[float, float]]]
    error: str | None

    @property
    def keys(self) -> list[str]:
        """What has a colour, in the order of its first slice."""
        found = sorted((one.begin, one.key) for lane in self.lanes for one in lane.slices if one.key != "wait")
        return list(dict.fromkeys(key for _, key in found))


def page(text: str) -> str:
    """The page for the text of a trace file; raises `TraceError` for other texts."""
    trace = _read(text)
    title = escape(f"timeline of {trace.title}")
    colours = {key: _COLOURS[position % len(_COLOURS)] for position, key in enumerate(trace.keys)}
    how = "" if trace.error is None else f", ended by {trace.error}"
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            '<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}</title>",
            f"<style>\n{_STYLE}\n</style></head>",
            "<body>",
            f"<h1>{title}</h1>",
            f"<p>{escape(trace.runtime)}, {seconds_text(trace.end / 1e6)}{escape(how)}</p>",
            *_key(colours),
            '<div class="wide">',
            *_drawing(trace, colours),
            "</div>",
            "<h2>Lanes</h2>",
            *_table(trace),
            "</body></html>",
        ]
    )


def _read(text: str) -> _Trace:
    try:
        found = json.loads(text)
    except ValueError:
        found = _repaired(text)
    whole = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    facts = whole.get("otherData")
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise TraceError(f"this is not a trace that `trace=` of a run has written (format {FORMAT})")
    events = cast("list[dict[str, Any]]", whole["traceEvents"])
    lanes: dict[int, _Lane] = {}
    in_flight: dict[str, list[tuple[float, float]]] = defaultdict(list)
    error, end = None, 0.0
    for event in events:
        lane = lanes.setdefault(event["tid"], _Lane(event["tid"], str(event["tid"])))
        began = float(event.get("ts", 0.0))
        end = max(end, began + float(event.get("dur", 0.0)))
        args = event.get("args", {})
        match event["ph"]:
            case "M" if event["name"] == "thread_name":
                lane.name = args["name"]
            case "M" if event["name"] == "thread_sort_index":
                lane.order = args["sort_index"]
            case "X":
                key = "wait" if event["cat"] == "wait" else event["name"]
                lane.slices.append(_Slice(began, began + event["dur"], event["name"], key, args.get("items", 0)))
            case "i" if event["name"] != "end":
                error = args["error"] if event["name"] == "failed" else error
                lane.marks.append((began, f"{event['name']} {args}"))
            case "C":
                in_flight[event["name"]].append((began, args["items"]))
            case _:
                pass
    in_order = sorted(lanes.values(), key=lambda lane: (lane.order, lane.number))
    shown = [lane for lane in in_order if lane.slices or lane.marks or lane.number > COORDINATOR]
    return _Trace(facts["title"], facts["runtime"], max(end, 1.0), shown, dict(in_flight), error)


def _repaired(text: str) -> object:
    """A file whose writer did not come to its end: everything up to its last whole line."""
    whole = text.rpartition("\n")[0].rstrip().rstrip(",")
    try:
        return json.loads(whole + "\n]}")
    except ValueError:
        return None


def _key(colours: dict[str, str]) -> Iterator[str]:
    yield '<p class="key">'
    for key, colour in colours.items():
        yield f'<span><i style="background:{colour}"></i>{escape(key)}</span>'
    yield '<span><i style="background:var(--wait)"></i>waits</span>'
    yield '<span><i style="background:#cf222e"></i>a worker ends, an error</span></p>'


def _drawing(trace: _Trace, colours: dict[str, str]) -> Iterator[str]:
    alive_height = 60 if trace.in_flight else 0
    height = _LANE * len(trace.lanes) + alive_height + 40
    yield f'<svg viewBox="0 0 {_LEFT + _WIDTH + 10} {height}" role="img" aria-label="what ran when">'
    scale = _WIDTH / trace.end
    bottom = _LANE * len(trace.lanes) + alive_height + 8
    for at, told in _ticks(trace.end):
        x = _LEFT + at * scale
        yield f'<line class="tick" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{bottom}"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{told}</text>'
    for row, lane in enumerate(trace.lanes):
        yield from _drawn(lane, row * _LANE, scale, colours)
    if alive_height:
        yield from _curve(trace, _LANE * len(trace.lanes) + 8, alive_height - 8, scale)
    yield "</svg>"


def _drawn(lane: _Lane, top: float, scale: float, colours: dict[str, str]) -> Iterator[str]:
    y = top + (_LANE - _BAR) / 2
    yield f'<text x="{_LEFT - 8}" y="{top + _LANE / 2 + 4}" text-anchor="end">{escape(lane.name)}</text>'
    yield f'<rect class="lane" x="{_LEFT}" y="{y}" width="{_WIDTH}" height="{_BAR}"/>'
    for one in _together(lane.slices, 1 / scale):
        told = f"{one.name}: {seconds_text((one.end - one.begin) / 1e6)}"
        told += f", {counted(one.items, 'item')}" if one.items else ""
        told += f", from {seconds_text(one.begin / 1e6)}"
        paint = 'class="wait"' if one.key == "wait" else f'fill="{colours[one.key]}"'
        x, width = _LEFT + one.begin * scale, max(0.3, (one.end - one.begin) * scale)
        yield f'<rect {paint} x="{x:.2f}" y="{y}" width="{width:.2f}" height="{_BAR}">'
        yield f"<title>{escape(told)}</title></rect>"
    for at, told in lane.marks:
        x = _LEFT + at * scale
        yield f'<circle class="mark" cx="{x:.2f}" cy="{top + _LANE / 2}" r="5"><title>{escape(told)}</title></circle>'


def _together(slices: Sequence[_Slice], smallest: float) -> Iterator[_Slice]:
    """The slices in order; neighbours of one kind that the eye could not tell apart are one."""
    last: _Slice | None = None
    for one in sorted(slices):
        if last is not None and one.key == last.key and one.begin - last.end < smallest / 2:
            last = last._replace(end=max(last.end, one.end), items=last.items + one.items)
            continue
        if last is not None:
            yield last
        last = one
    if last is not None:
        yield last


def _curve(trace: _Trace, top: float, height: float, scale: float) -> Iterator[str]:
    """How many items are in flight, the most of each unit of width."""
    most = max(count for points in trace.in_flight.values() for _, count in points) or 1
    yield f'<text x="{_LEFT - 8}" y="{top + 10}" text-anchor="end">{count_text(int(most))} in flight</text>'
    yield f'<text x="{_LEFT - 8}" y="{top + height}" text-anchor="end">0</text>'
    for points in trace.in_flight.values():
        highest: dict[int, float] = {}
        for at, count in points:
            x = int(at * scale)
            highest[x] = max(count, highest.get(x, 0.0))
        path = " ".join(f"H{_LEFT + x} V{top + height - height * count / most:.1f}" for x, count in highest.items())
        yield f'<path class="alive" d="M{_LEFT} {top + height} {path}"/>'


def _ticks(end: float) -> Iterator[tuple[float, str]]:
    """Some round times, in microseconds."""
    round_ones = (first * 10**power for power in itertools.count() for first in (1, 2, 5))
    step = next(one for one in round_ones if end / one <= 10)
    at = 0.0
    while at <= end:
        yield at, seconds_text(at / 1e6)
        at += step


def _table(trace: _Trace) -> Iterator[str]:
    yield '<div class="wide"><table><thead><tr><th>lane</th><th>batches</th><th>items</th><th>busy</th><th>waits</th>'
    yield "<th>share of the time</th></tr></thead><tbody>"
    for lane in trace.lanes:
        work = [one for one in lane.slices if one.key != "wait"]
        busy = sum(one.end - one.begin for one in work) / 1e6
        waits = sum(one.end - one.begin for one in lane.slices if one.key == "wait") / 1e6
        if lane.number not in (SOURCE, COORDINATOR) and lane.number < BESIDE:
            waits = max(0.0, trace.end / 1e6 - busy)
        cells = (lane.name, count_text(len(work)), count_text(sum(one.items for one in work)), seconds_text(busy))
        share = f"{round(100 * busy * 1e6 / trace.end)} %"
        told = "</td><td>".join(map(escape, (*cells, seconds_text(waits), share)))
        yield f"<tr><td>{told}</td></tr>"
    yield "</tbody></table></div>"
