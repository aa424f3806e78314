"""The trace event format of Chrome, as far as our files use it: what each event must and may have, and how slices nest.

Written from the description of the format ("Trace Event Format"), without a look at what writes the files.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["problems"]

Event = dict[str, Any]

_COMMON = {"ph", "name", "pid", "tid"}
# Of each phase: what an event must have beside the common fields, and what it may have.
_FIELDS: dict[str, tuple[set[str], set[str]]] = {
    "X": ({"ts", "dur"}, {"cat", "args"}),
    "C": ({"ts", "args"}, {"cat", "id"}),
    "i": ({"ts", "s"}, {"cat", "args"}),
    "b": ({"ts", "cat", "id"}, {"args"}),
    "e": ({"ts", "cat", "id"}, {"args"}),
    "M": ({"args"}, set()),
}
_NAMED = {"process_name": "name", "thread_name": "name", "thread_sort_index": "sort_index"}
# Times are written with one digit behind the point.
_ROUNDED = 0.2


def problems(trace: Event) -> list[str]:
    """What is wrong with a file of JSON Object Format."""
    if trace.get("displayTimeUnit") not in ("ms", "ns") or not isinstance(trace.get("traceEvents"), list):
        return ["it is no trace"]
    events: list[Event] = trace["traceEvents"]
    found = [f"{what}: {event}" for event in events for what in _of_event(event)]
    return found or [*_of_lanes(events), *_of_spans(events), *_of_slices(events)]


def _of_event(event: Event) -> Iterator[str]:
    if event.get("ph") not in _FIELDS:
        yield "no known phase"
        return
    must, may = _FIELDS[event["ph"]]
    if missing := (_COMMON | must) - set(event):
        yield f"without {sorted(missing)}"
        return
    if unknown := set(event) - _COMMON - must - may:
        yield f"with {sorted(unknown)}"
    for name, fits in _FITTING.items():
        if name in event and not fits(event[name]):
            yield f"a strange {name}"
    if event["ph"] == "M" and _NAMED.get(event["name"], "") not in event["args"]:
        yield "metadata of no known kind"
    if event["ph"] == "C" and not all(map(_number, event["args"].values())):
        yield "a counter without numbers"


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


_FITTING: dict[str, Callable[[Any], bool]] = {
    "name": lambda value: isinstance(value, str) and value != "",
    "cat": lambda value: isinstance(value, str) and value != "",
    "pid": lambda value: type(value) is int,
    "tid": lambda value: type(value) is int,
    "ts": lambda value: _number(value) and value >= 0,
    "dur": lambda value: _number(value) and value >= 0,
    "s": lambda value: value in ("g", "p", "t"),
    "id": lambda value: type(value) in (int, str),
    "args": lambda value: isinstance(value, dict),
}


def _of_lanes(events: list[Event]) -> Iterator[str]:
    """Each process and each thread that has events is named, once."""
    named = Counter((e["name"], e["pid"], e["tid"] * (e["name"] != "process_name")) for e in events if e["ph"] == "M")
    yield from (f"{what} given {count} times" for what, count in named.items() if count > 1)
    for pid, tid in {(e["pid"], e["tid"]) for e in events if e["ph"] != "M"}:
        for what in (("process_name", pid, 0), ("thread_name", pid, tid), ("thread_sort_index", pid, tid)):
            if what not in named:
                yield f"no {what}"


def _of_spans(events: list[Event]) -> Iterator[str]:
    """What begins ends, later."""
    spans = defaultdict(list)
    for event in events:
        if event["ph"] in "be":
            spans[event["pid"], event["cat"], event["id"]].append((event["ph"], event["name"], event["ts"]))
    for key, ends in spans.items():
        if [ph for ph, *_ in ends] != ["b", "e"] or ends[0][1] != ends[1][1] or ends[0][2] > ends[1][2]:
            yield f"{key} does not begin and end: {ends}"


def _of_slices(events: list[Event]) -> Iterator[str]:
    """Of two slices of a lane one is over when the other begins, or lies in it: viewers draw nothing else."""
    lanes = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            lanes[event["pid"], event["tid"]].append((event["ts"], -event["dur"], event))
    for slices in lanes.values():
        around: list[float] = []
        for begin, minus, event in sorted(slices, key=lambda each: each[:2]):
            while around and around[-1] <= begin + _ROUNDED:
                around.pop()
            if around and begin - minus > around[-1] + _ROUNDED:
                yield f"a slice that begins in another and ends behind it: {event}"
            around.append(begin - minus)
