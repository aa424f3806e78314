"""A timeline as one HTML file: a lane for each worker, the items in flight, a table of shares."""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, NamedTuple, cast

from daglite.exceptions import DagliteError
from daglite.explain import skeleton
from daglite.observe.amounts import count_text, seconds_text
from daglite.observe.timeline import COORDINATOR, FORMAT, SOURCE, STREAMS
from daglite.short_repr import counted

# The drawing, in units of its own; slices smaller than a unit are merged with their neighbours.
_LEFT, _WIDTH, _LANE, _BAR = 110, 1090, 26, 18
_COLOURS = ("#2f81f7", "#d2761f", "#2da44e", "#a475f9", "#cf4a7a", "#1b9aaa", "#9a6700", "#6e7781")
_STYLE = """\
body { max-width: 76rem; }
svg { width: 100%; min-width: 46rem; height: auto; font: 12px system-ui, sans-serif; }
svg text { fill: var(--ink); }
svg .lane { fill: var(--soft); }
svg .tick { stroke: var(--line); }
svg .wait { fill: var(--wait); }
svg .mark { fill: #cf222e; }
svg .in-flight { fill: none; stroke: var(--ink); stroke-width: 1.2; }
.key span { display: inline-block; margin-right: 1.2rem; }
.key i { display: inline-block; width: .8rem; height: .8rem; margin-right: .35rem; vertical-align: -1px; }
th, td { text-align: right; white-space: nowrap; font-size: .9rem; }
th:first-child, td:first-child { text-align: left; }"""


class TraceError(DagliteError):
    """A text is not a trace file that `trace=` of a run has written."""


class _Slice(NamedTuple):
    """An interval in microseconds; `key` gives its colour."""

    begin: float
    end: float
    name: str
    key: str
    items: int


@dataclass
class _Lane:
    """The slices and marks of a worker, the source or the coordinator."""

    number: int
    name: str = ""
    order: int = 0
    slices: list[_Slice] = field(default_factory=list)
    marks: list[tuple[float, str]] = field(default_factory=list)


@dataclass
class _Trace:
    """The content of a trace file."""

    title: str
    runtime: str
    end: float
    lanes: list[_Lane]
    in_flight: dict[str, list[tuple[float, float]]]
    error: str | None

    @property
    def keys(self) -> list[str]:
        """The keys that have colours, in the order of their first slices."""
        found = sorted((one.begin, one.key) for lane in self.lanes for one in lane.slices if one.key != "wait")
        return list(dict.fromkeys(key for _, key in found))


def page(text: str) -> str:
    """Return the page for the text of a trace file; raise `TraceError` for other texts."""
    trace = _read(text)
    return skeleton.document(f"timeline of {trace.title}", _STYLE, _body(trace))


def _body(trace: _Trace) -> Iterator[str]:
    colours = {key: _COLOURS[position % len(_COLOURS)] for position, key in enumerate(trace.keys)}
    outcome = "" if trace.error is None else f", ended by {trace.error}"
    yield f"<p>{escape(trace.runtime)}, {seconds_text(trace.end / 1e6)}{escape(outcome)}</p>"
    yield from _key(colours)
    yield '<div class="wide">'
    yield from _drawing(trace, colours)
    yield "</div>"
    yield "<h2>Lanes</h2>"
    names = ("lane", "batches", "items", "busy", "waits", "share of the time")
    yield from skeleton.table(names, (_row(lane, trace.end) for lane in trace.lanes))


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
    """Return the content of a file whose run was interrupted, up to its last whole line; None for other texts."""
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
    curve_height = 60 if trace.in_flight else 0
    height = _LANE * len(trace.lanes) + curve_height + 40
    yield f'<svg viewBox="0 0 {_LEFT + _WIDTH + 10} {height}" role="img" aria-label="what ran when">'
    scale = _WIDTH / trace.end
    bottom = _LANE * len(trace.lanes) + curve_height + 8
    for at, told in _ticks(trace.end):
        x = _LEFT + at * scale
        yield f'<line class="tick" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{bottom}"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{told}</text>'
    for row, lane in enumerate(trace.lanes):
        yield from _drawn(lane, row * _LANE, scale, colours)
    if curve_height:
        yield from _curve(trace, _LANE * len(trace.lanes) + 8, curve_height - 8, scale)
    yield "</svg>"


def _drawn(lane: _Lane, top: float, scale: float, colours: dict[str, str]) -> Iterator[str]:
    y = top + (_LANE - _BAR) / 2
    yield f'<text x="{_LEFT - 8}" y="{top + _LANE / 2 + 4}" text-anchor="end">{escape(lane.name)}</text>'
    yield f'<rect class="lane" x="{_LEFT}" y="{y}" width="{_WIDTH}" height="{_BAR}"/>'
    for one in _merged(lane.slices, 1 / scale):
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


def _merged(slices: Sequence[_Slice], smallest: float) -> Iterator[_Slice]:
    """Yield the slices in order; those of one key that are too close to see apart become one."""
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
    """Yield the curve of items in flight, with the largest number in each unit of width."""
    most = max(count for points in trace.in_flight.values() for _, count in points) or 1
    yield f'<text x="{_LEFT - 8}" y="{top + 10}" text-anchor="end">{count_text(int(most))} in flight</text>'
    yield f'<text x="{_LEFT - 8}" y="{top + height}" text-anchor="end">0</text>'
    for points in trace.in_flight.values():
        highest: dict[int, float] = {}
        for at, count in points:
            x = int(at * scale)
            highest[x] = max(count, highest.get(x, 0.0))
        path = " ".join(f"H{_LEFT + x} V{top + height - height * count / most:.1f}" for x, count in highest.items())
        yield f'<path class="in-flight" d="M{_LEFT} {top + height} {path}"/>'


def _ticks(end: float) -> Iterator[tuple[float, str]]:
    """Yield round times, in microseconds, each with its text."""
    candidates = (first * 10**power for power in itertools.count() for first in (1, 2, 5))
    step = next(one for one in candidates if end / one <= 10)
    at = 0.0
    while at <= end:
        yield at, seconds_text(at / 1e6)
        at += step


def _row(lane: _Lane, end: float) -> str:
    work = [one for one in lane.slices if one.key != "wait"]
    busy = sum(one.end - one.begin for one in work) / 1e6
    waits = sum(one.end - one.begin for one in lane.slices if one.key == "wait") / 1e6
    if lane.number not in (SOURCE, COORDINATOR) and lane.number < STREAMS:
        waits = max(0.0, end / 1e6 - busy)
    cells = (
        lane.name,
        count_text(len(work)),
        count_text(sum(one.items for one in work)),
        seconds_text(busy),
        seconds_text(waits),
        f"{round(100 * busy * 1e6 / end)} %",
    )
    return f"<tr><td>{'</td><td>'.join(map(escape, cells))}</td></tr>"
