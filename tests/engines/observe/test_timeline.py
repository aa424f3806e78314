"""The file of a trace is what viewers expect, and true; the page draws it without a network."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

import daglite
from daglite.exceptions import ParameterError
from daglite.observe import Timeline
from daglite.observe.page import TraceError, page
from daglite.observe.timeline import COORDINATOR, SOURCE
from daglite.options import RuntimeName
from daglite.runtime import Processes, Threads
from daglite.testing import DrawnPipeline, pipelines
from tests.unit.observe.recording import Recorder, count_up, dies_once, fold, sleepy, square
from tests.unit.observe.trace_format import problems

_NAMES = "thread_name"
PLAN = daglite.compile(count_up.iter(n=60).then(square).then(sleepy, seconds=0.002).reduce(fold, initial=0))


def traced(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text())["traceEvents"]
    return found


def test_a_trace_is_one_of_the_format(runtime: RuntimeName, tmp_path: Path) -> None:
    """Every event has its fields, lanes are named, slices nest; times are microseconds since the start."""
    began = time.perf_counter()
    PLAN.run(runtime=runtime, workers=2, trace=tmp_path / "run.json")
    most = 1e6 * (time.perf_counter() - began)

    trace = json.loads((tmp_path / "run.json").read_text())
    assert problems(trace) == []
    events = trace["traceEvents"]
    assert {event["pid"] for event in events} == {os.getpid()}
    assert {event["ph"] for event in events} - {"C"} == {"M", "X", "b", "e", "i"}
    assert {event["cat"] for event in events if event["ph"] == "X"} <= {"source", "task", "sink", "wait"}
    (end,) = [event["ts"] for event in events if event["name"] == "end"]
    # 60 items of 2 ms, on two workers at most.
    assert 60_000 < end <= most
    assert max(event["ts"] + event.get("dur", 0) for event in events if event["ph"] != "M") <= end + 0.2


def test_traces_of_all_kinds_of_pipelines_are_of_the_format(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    with Processes(workers=2) as processes, Threads(workers=2) as threads:

        @given(pipelines(), st.sampled_from([processes, threads, "inline", "auto"]), st.booleans())
        def trace(drawn: DrawnPipeline[object], runtime: Any, optimize: bool) -> None:
            plan = daglite.compile(drawn.future, optimize=optimize)
            assert plan.run(runtime=runtime, trace=file) == drawn.expected
            assert problems(json.loads(file.read_text())) == []
            assert page(file.read_text()).startswith("<!DOCTYPE html>")

        trace()


def test_sums_of_many_turns_are_no_slices_of_time(tmp_path: Path) -> None:
    """What a random search found: `distinct` stands before workers, and its time lies here and there in the stream."""
    slow_to_compare = count_up.iter(n=2).distinct(key=sleepy.partial(seconds=0.005)).then(sleepy, seconds=0.05)
    slow_to_compare.run(runtime="threads", workers=1, trace=tmp_path / "run.json")

    assert problems(json.loads((tmp_path / "run.json").read_text())) == []
    assert "task" not in {e.get("cat") for e in traced(tmp_path / "run.json") if e["tid"] == COORDINATOR}


def test_streams_that_take_turns_have_lanes_of_their_own(tmp_path: Path) -> None:
    """The one beside needs no worker and tells of several turns at once, with waits for the other's worker between."""

    @daglite.task
    def slowly() -> Iterator[int]:
        for x in range(8):
            time.sleep(0.002)
            yield x

    both = count_up.iter(n=8).then(sleepy, seconds=0.009).zip(slowly.iter())
    plan = daglite.compile(both, max_in_flight=1)
    assert plan.run(runtime="threads", workers=1, trace=tmp_path / "run.json") == [(x, x) for x in range(8)]

    assert problems(json.loads((tmp_path / "run.json").read_text())) == []
    lanes = {event["tid"]: event["args"]["name"] for event in traced(tmp_path / "run.json") if event["name"] == _NAMES}
    calls = [event for event in traced(tmp_path / "run.json") if event.get("cat") == "task"]
    turns = [event for event in calls if lanes[event["tid"]].startswith("coordinator, stage ")]
    assert {event["name"] for event in turns} == {"slowly", "zip"}
    drawn = page((tmp_path / "run.json").read_text())
    assert all(f">{lanes[event['tid']]}<" in drawn for event in turns)


def test_batches_at_the_same_time_are_in_different_lanes(tmp_path: Path) -> None:
    """One thread has many coroutines at work."""

    @daglite.task(on="threads")
    async def waits(x: int) -> int:
        await asyncio.sleep(0.001 * (1 + x % 7))
        return x

    count_up.iter(n=60).then(waits).run(runtime="threads", workers=4, trace=tmp_path / "run.json")

    assert problems(json.loads((tmp_path / "run.json").read_text())) == []
    lanes = {event["tid"]: event["args"]["name"] for event in traced(tmp_path / "run.json") if event["name"] == _NAMES}
    (first,) = [lane for lane, name in lanes.items() if re.fullmatch(r"worker \d+", name)]
    further = [name for name in lanes.values() if name.startswith(f"worker {first}, ")]
    assert further[:2] == [f"worker {first}, 2", f"worker {first}, 3"]
    shown = re.findall(rf'text-anchor="end">(worker {first}[^<]*)<', page((tmp_path / "run.json").read_text()))
    assert shown == [f"worker {first}", *further]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"ph": "Q"}, "no known phase"),
        ({"ts": -1}, "a strange ts"),
        ({"ts": float("nan")}, "a strange ts"),
        ({"dur": "5"}, "a strange dur"),
        ({"tid": "main"}, "a strange tid"),
        ({"colour": "red"}, "with ['colour']"),
        ({"tid": 7}, "no ('thread_name', 1, 7)"),
        ({"ts": 15.0, "dur": 10.0}, "a slice that begins in another and ends behind it"),
        ({"ph": "b", "cat": "x", "id": 1}, "with ['dur']"),
    ],
)
def test_what_is_not_of_the_format_is_found(change: dict[str, Any], problem: str) -> None:
    """The test of the test."""
    names = [{"ph": "M", "name": "process_name", "pid": 1, "tid": 0, "args": {"name": "p"}}]
    names += [{"ph": "M", "name": "thread_name", "pid": 1, "tid": 2, "args": {"name": "t"}}]
    names += [{"ph": "M", "name": "thread_sort_index", "pid": 1, "tid": 2, "args": {"sort_index": 2}}]
    slices = [{"ph": "X", "name": "a", "pid": 1, "tid": 2, "ts": ts, "dur": dur} for ts, dur in ((10, 10), (12, 2))]
    trace = {"displayTimeUnit": "ms", "traceEvents": [*names, *slices]}
    assert problems(trace) == []
    slices[1] |= change
    assert any(found.startswith(problem) for found in problems({**trace, "traceEvents": [*names, *slices]}))


def test_every_batch_is_in_its_lane(crew: RuntimeName, tmp_path: Path) -> None:
    PLAN.run(runtime=crew, workers=2, trace=tmp_path / "run.json")

    lanes = defaultdict(list)
    for event in traced(tmp_path / "run.json"):
        if event["ph"] == "X":
            lanes[event["tid"]].append(event)
    workers = [lane for lane in lanes if lane not in (SOURCE, COORDINATOR)]
    assert 1 <= len(workers) <= 2
    assert sum(event["args"]["items"] for worker in workers for event in lanes[worker]) == 60
    assert {event["name"] for worker in workers for event in lanes[worker]} == {"square -> sleepy"}
    assert sum(event["args"]["items"] for event in lanes[SOURCE]) == 60
    assert sum(event["args"]["items"] for event in lanes[COORDINATOR] if event["cat"] == "sink") == 60
    # A worker does one batch at a time, and says itself when.
    for events in lanes.values():
        events.sort(key=lambda event: event["ts"])
        for one, after in itertools.pairwise(events):
            assert one["ts"] + one["dur"] <= after["ts"] + 1
    steps = [event["args"]["steps"] for worker in workers for event in lanes[worker]]
    assert all(set(one) == {"1 square", "2 sleepy"} for one in steps)
    assert sum(one["2 sleepy"] for one in steps) >= 60 * 2000


def test_deaths_and_errors_are_marked(tmp_path: Path) -> None:
    stream = count_up.iter(n=20).then(dies_once, at=5, mark=str(tmp_path / "died"))
    stream.run(workers=1, trace=tmp_path / "died.json")
    marks = [event["name"] for event in traced(tmp_path / "died.json") if event["ph"] == "i"]
    assert marks[0] == "died"
    assert "lost" in marks
    assert marks[-1] == "end"

    def bad(x: int) -> int:
        raise ValueError('<b> "quoted"')

    with pytest.raises(ValueError, match="quoted"):
        daglite.task(bad).map(x=[1]).run(workers=1, trace=tmp_path / "bad.json")
    (failed,) = [event for event in traced(tmp_path / "bad.json") if event["name"] == "failed"]
    assert failed["args"] == {"error": 'ValueError: <b> "quoted"'}
    assert "&lt;b&gt; &quot;quoted&quot;" in page((tmp_path / "bad.json").read_text())


def test_a_trace_that_cannot_be_written_is_told_before_the_run(tmp_path: Path) -> None:
    seen = Recorder()
    with pytest.raises(ParameterError, match=r"^`trace` must be .*; got '.*': there is no folder '.*nowhere'$"):
        PLAN.run(observers=[seen], trace=tmp_path / "nowhere" / "run.json")
    with pytest.raises(ParameterError, match=r"^`trace` must be .*: Is a directory$"):
        PLAN.run(observers=[seen], trace=tmp_path)
    assert seen.events == []


def test_a_timeline_is_written_anew_for_each_run(tmp_path: Path) -> None:
    timeline = Timeline(tmp_path / "run.json")
    for n in (1, 2):
        count_up.iter(n=n).then(square).run(workers=1, observers=[timeline])
    pulled = [event for event in traced(tmp_path / "run.json") if event.get("cat") == "source"]
    assert sum(event["args"]["items"] for event in pulled) == 2


class _Tags(HTMLParser):
    """All tags of a page, and whether they are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_page_is_whole_and_needs_nothing(runtime: RuntimeName, tmp_path: Path) -> None:
    PLAN.run(runtime=runtime, workers=2, trace=tmp_path / "run.json")
    text = page((tmp_path / "run.json").read_text())

    tags = _Tags()
    tags.feed(text)
    assert tags.open == []
    names = [tag for tag, _ in tags.found]
    assert names.count("svg") == 1
    assert "script" not in names
    assert not re.search(r"https?:|src=|@import|url\(", text)
    assert "prefers-color-scheme: dark" in text
    assert "square -&gt; sleepy" in text
    for tag, attributes in tags.found:
        if tag == "rect":
            assert 0 <= float(attributes["x"] or -1) <= 1200
            assert 0 < float(attributes["width"] or 0) <= 1200


def test_a_long_trace_gives_a_short_page(tmp_path: Path) -> None:
    """Slices that the eye cannot tell apart are drawn as one."""
    count_up.iter(n=3000).then(square).run(workers=1, observers=[(timeline := Timeline(tmp_path / "run.json"))])
    lines = (tmp_path / "run.json").read_text().splitlines()
    head, slices = lines[:-3], [line for line in lines if '"cat": "task"' in line]
    one = json.loads(slices[0].rstrip(","))
    many = [json.dumps(one | {"ts": at * 2.0, "dur": 1.5}) for at in range(50_000)]
    text = "\n".join([*head[:3], *(f"{line}," for line in many), json.dumps(one | {"ts": 0.0, "dur": 1.0}), "]}"])

    assert timeline.detail == "steps"
    assert page(text).count("<rect") < 2_000


def test_the_trace_of_a_broken_run_is_drawn(tmp_path: Path) -> None:
    """The writer was killed: the file has no end."""
    PLAN.run(workers=1, trace=tmp_path / "run.json")
    text = (tmp_path / "run.json").read_text()

    assert "square -&gt; sleepy" in page(text[: len(text) * 2 // 3])


@pytest.mark.parametrize("text", ["", "no JSON", "[]", "{}", '{"traceEvents": [], "otherData": {"format": "other"}}'])
def test_other_files_are_refused(text: str) -> None:
    with pytest.raises(TraceError, match=r"^this is not a trace that `trace=` of a run has written"):
        page(text)
