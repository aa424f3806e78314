"""The times of all batches as a file that Perfetto, chrome://tracing and `daglite timeline` show: trace events as JSON.

Lanes are threads of one process: the source, the coordinator, and each worker; a worker that does several batches at a
time has several. Where streams are pulled by others, what the coordinator does for each is in a lane of its own: they
take turns, and a slice tells of many. Times are microseconds since the start of the run. Events go into the file as
they come, so that a long run takes no memory, and a broken one leaves a file that the viewers still read.
"""

from __future__ import annotations

import json
import os
from typing import TextIO, TypeAlias

from daglite.events import (
    BatchCompleted,
    CompletedLocally,
    Delivered,
    Detail,
    Event,
    Lost,
    PartialsMerged,
    Pulled,
    RunEnded,
    RunStarted,
    Sent,
    StageEnded,
    StageStarted,
    StreamOpened,
    Waited,
    WorkerEnded,
    WorkerStarted,
)
from daglite.program import CallStage, MaterialiseStage, Program, Stage, Step, StreamStage, is_pulled, steps_of

FORMAT = "daglite-trace-1"
# The numbers of two lanes; those of workers are their process ids, or the system's ids of their threads.
SOURCE, COORDINATOR = 1, 2
# Above all of these: the further lanes of workers, and those of streams at work beside others. Viewers take 32 bits.
_FURTHER, BESIDE = 2**23, 2**30
# Times are written with one digit behind the point: what ends and what begins may overlap by so many seconds.
_ROUNDED = 1e-7
_WAITS = {"max_in_flight": "waits: in-flight limit reached", "workers": "waits for workers"}
# A pull without items is worth telling when it took so long, in seconds.
_LONG = 0.0001
# How many steps of a batch are told.
_MOST_STEPS = 20
# What comes for each batch, and how many of it wait to be written; a beat of the run does not let them wait longer.
_Often: TypeAlias = BatchCompleted | CompletedLocally | Delivered | PartialsMerged | Pulled | Waited
_OFTEN = (BatchCompleted, Delivered, Pulled, Waited, CompletedLocally, PartialsMerged)
_MOST_WAITING = 256


class Timeline:
    """Writes the file `path` while a run goes on, anew for each run. Raises `OSError` at once where it cannot."""

    detail: Detail = "steps"

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = path
        with open(path, "w", encoding="utf-8"):
            pass
        self._file: TextIO | None = None
        self._program: Program | None = None
        self._pid = os.getpid()
        self._began = 0.0
        self._stages: dict[int, float] = {}
        self._alive: dict[int, int] = {}
        self._lanes = set[int]()
        # When the last slice ended, of each lane of a worker; how many have further ones; whether streams pull others.
        self._ends: dict[int, list[float]] = {}
        self._further: dict[tuple[int, int], int] = {}
        self._beside = False
        self._waiting: list[_Often] = []
        # What a slice is called, and a step, as JSON.
        self._names: dict[tuple[int, str], str] = {}
        self._steps: dict[int, str] = {}

    def on_event(self, event: Event, /) -> None:
        if isinstance(event, _OFTEN):
            self._waiting.append(event)
            if len(self._waiting) >= _MOST_WAITING:
                self._write_waiting()
            return
        if isinstance(event, Sent):
            # Its answer tells when it was.
            return
        self._write_waiting()
        match event:
            case RunStarted():
                self._begin(event)
            case RunEnded():
                self._end(event)
            case _ if self._file is not None:
                self._mark(event)
            case _:
                pass

    def _write_waiting(self) -> None:
        """What came for each batch, many at once: between the turns of a run each would take twice as long."""
        waiting, self._waiting = self._waiting, []
        if self._file is not None:
            self._file.write("".join([self._batch_lines(event) for event in waiting]))

    def _batch_lines(self, event: _Often) -> str:
        match event:
            case BatchCompleted():
                began = event.at - event.seconds if event.began is None else event.began
                facts = f'"done": {event.done}, "first": {event.first}, "batch": {event.batch}'
                steps = ", ".join(
                    [f"{self._name(one.step)}: {1e6 * one.seconds:.1f}" for one in event.steps[:_MOST_STEPS]]
                )
                more = f', {facts}, "waited": {1e6 * max(0.0, began - event.sent):.1f}, "steps": {{{steps}}}'
                lane = self._lane_of_batch(event.worker, began, event.seconds)
                return self._slice(lane, "task", event.stage, began, event.seconds, event.items, more)
            case Pulled():
                if not event.items and event.seconds <= _LONG:
                    return ""
                began = event.at - event.seconds
                line = self._slice(SOURCE, "source", event.stage, began, event.seconds, event.items)
                return line + self._count(event.stage, event.at, event.items)
            case Delivered():
                began = event.at - event.seconds
                line = self._slice(COORDINATOR, "sink", event.stage, began, event.seconds, event.items)
                # Items are counted up to where they leave the first segment: behind it they are others.
                return line if event.segment else line + self._count(event.stage, event.at, -event.items)
            case PartialsMerged():
                began = event.at - event.seconds if event.began is None else event.began
                lane = self._lane_of_batch(event.worker, began, event.seconds)
                more = f', "parts": {event.parts}, "waited": {1e6 * max(0.0, began - event.sent):.1f}'
                return self._slice(lane, "merge", event.stage, began, event.seconds, 0, more)
            case CompletedLocally() if not event.seconds:
                # Here and there in a whole stream: nobody knows when.
                return ""
            case CompletedLocally():
                lane = self._lane_of_calls(event.stage)
                return self._slice(lane, "task", event.stage, event.at - event.seconds, event.seconds, event.items)
            case Waited() if event.on == "consumer" or not event.seconds:
                # While a consumer is busy the helper works in the coordinator's lane.
                return ""
            case Waited():
                return self._slice(COORDINATOR, event.on, event.stage, event.at - event.seconds, event.seconds, 0)

    def _mark(self, event: Event) -> None:
        """What happens at a point of time."""
        match event:
            case StageStarted():
                self._stages[event.stage] = event.at
            case StreamOpened():
                self._alive[event.stage] = 0
            case StageEnded():
                began = self._stages.pop(event.stage, event.at)
                for ph, at in (("b", began), ("e", event.at)):
                    self._write(ph, f"stage {event.stage}", at=self._since(at), cat="stage", id=event.stage)
            case WorkerStarted():
                self._lane(event.worker)
            case WorkerEnded():
                what = {"died": "died", "overdue": "killed over a time limit", "renewed": "renewed"}[event.why]
                facts = {"exitcode": event.exitcode}
                self._write("i", what, self._lane(event.worker), self._since(event.at), s="t", cat="end", args=facts)
            case Lost():
                facts = {"items": event.items, "first": event.first}
                self._write("i", "lost", self._lane(event.worker), self._since(event.at), s="t", cat="end", args=facts)
            case _:
                pass

    def _begin(self, event: RunStarted) -> None:
        self._stages, self._alive, self._lanes, self._names, self._steps = {}, {}, set(), {}, {}
        self._ends, self._further = {}, {}
        self._beside = any(map(is_pulled, event.program.stages))
        self._program, self._began, self._pid = event.program, event.at, os.getpid()
        self._file = open(self._path, "w", encoding="utf-8")  # noqa: SIM115 - closed at the end of the run
        stages = [_label(stage) for stage in event.program.stages]
        facts = {"format": FORMAT, "title": event.program.title, "runtime": event.runtime, "stages": stages}
        self._file.write(f'{{"displayTimeUnit": "ms", "otherData": {json.dumps(facts)},\n"traceEvents": [\n')
        self._file.write(json.dumps(self._named("process_name", 0, {"name": f"daglite {event.runtime}"})))
        for lane, name in ((SOURCE, "source"), (COORDINATOR, "coordinator")):
            self._name_lane(lane, name, lane)

    def _end(self, event: RunEnded) -> None:
        if self._file is None:
            return
        if event.error is not None:
            told = f"{type(event.error).__name__}: {event.error}"[:300]
            facts = {"error": told}
            self._write("i", "failed", COORDINATOR, self._since(event.at), s="t", cat="end", args=facts)
        self._write("i", "end", COORDINATOR, self._since(event.at), s="t", cat="end", args={})
        file, self._file = self._file, None
        with file:
            file.write("\n]}\n")

    def _lane(self, worker: int | None) -> int:
        if worker is None:
            return COORDINATOR
        return self._known(worker, f"worker {worker}", worker)

    def _lane_of_batch(self, worker: int | None, began: float, seconds: float) -> int:
        """The first lane of the worker in which nothing else is at that time."""
        lane = self._lane(worker)
        if not seconds or worker is None:
            return lane
        ends = self._ends.setdefault(worker, [])
        free = next((number for number, end in enumerate(ends) if end <= began + _ROUNDED), len(ends))
        ends[free : free + 1] = [began + seconds]
        if not free:
            return lane
        further = self._further.setdefault((worker, free), _FURTHER + len(self._further))
        return self._known(further, f"worker {worker}, {free + 1}", worker)

    def _lane_of_calls(self, stage: int) -> int:
        """Where the coordinator's own calls are: among the rest, if no other stream is at work at the same time."""
        assert self._program is not None
        planned = self._program.stages[stage]
        if not self._beside or not isinstance(planned, StreamStage):
            return COORDINATOR
        return self._known(BESIDE + stage, f"coordinator, stage {stage}", COORDINATOR)

    def _known(self, lane: int, name: str, order: int) -> int:
        """The lane, which is named once; `order` is where it stands."""
        if lane not in self._lanes:
            self._lanes.add(lane)
            self._name_lane(lane, name, order)
        return lane

    def _name_lane(self, lane: int, name: str, order: int) -> None:
        assert self._file is not None
        for meta in (
            self._named("thread_name", lane, {"name": name}),
            self._named("thread_sort_index", lane, {"sort_index": order}),
        ):
            self._file.write(",\n" + json.dumps(meta))

    def _named(self, what: str, lane: int, facts: dict[str, object]) -> dict[str, object]:
        return {"ph": "M", "name": what, "pid": self._pid, "tid": lane, "args": facts}

    def _slice(self, lane: int, cat: str, stage: int, began: float, seconds: float, items: int, more: str = "") -> str:
        """Something that took time. There are many: put together by hand, they cost a tenth of `json.dumps`."""
        name = self._names.get((stage, cat))
        if name is None:
            assert self._program is not None
            kind = "wait" if cat in _WAITS else cat
            told = _WAITS.get(cat) or _part(self._program.stages[stage], cat)
            name = self._names[stage, cat] = f'"name": {json.dumps(told)}, "cat": "{kind}", "pid": {self._pid}'
        since, lasted = 1e6 * (began - self._began), 1e6 * seconds
        if since < 0:
            # By the clock of another machine.
            since, lasted = 0.0, max(0.0, lasted + since)
        return (
            f',\n{{"ph": "X", {name}, "tid": {lane}, "ts": {since:.1f}, "dur": {lasted:.1f}, '
            f'"args": {{"stage": {stage}, "items": {items}{more}}}}}'
        )

    def _count(self, stage: int, at: float, change: int) -> str:
        # Less than nothing for a moment: the helper may deliver what a pull that still goes on has given.
        in_flight = self._alive[stage] = self._alive.get(stage, 0) + change
        return (
            f',\n{{"ph": "C", "name": "items in flight, stage {stage}", "pid": {self._pid}, "tid": {COORDINATOR}, '
            f'"ts": {1e6 * (at - self._began):.1f}, "args": {{"items": {in_flight if in_flight > 0 else 0}}}}}'
        )

    def _write(self, ph: str, name: str, tid: int = COORDINATOR, at: float = 0.0, **more: object) -> None:
        assert self._file is not None
        self._file.write(",\n" + json.dumps({"ph": ph, "name": name, "pid": self._pid, "tid": tid, "ts": at, **more}))

    def _since(self, at: float) -> float:
        return _micro(max(0.0, at - self._began))

    def _name(self, number: int) -> str:
        """A step as a key in JSON."""
        if not self._steps:
            assert self._program is not None
            steps = [step for stage in self._program.stages for step in steps_of(stage)]
            self._steps = {step.number: json.dumps(f"{step.number} {step.function.name}") for step in steps}
        return self._steps[number]


def _micro(seconds: float) -> float:
    return round(seconds * 1e6, 1)


def _label(stage: Stage) -> str:
    return _joined([step.function.name for step in steps_of(stage)])


def _part(stage: Stage, cat: str) -> str:
    """What a slice of a stage is called: the source, the tasks on items, or the ending."""
    match stage:
        case CallStage() | MaterialiseStage():
            return _label(stage)
        case StreamStage():
            if cat == "source":
                return stage.source.function.name if isinstance(stage.source, Step) else "mapped arguments"
            if cat == "merge" and stage.combine is not None:
                return stage.combine.step.function.name
            if cat == "sink":
                return stage.end.function.name if stage.end is not None and stage.sink == "reduce" else "collect"
            return _joined([link.function.name for link in stage.links]) or _label(stage)


def _joined(names: list[str]) -> str:
    return " -> ".join(names if len(names) <= 6 else [*names[:3], "...", *names[-2:]])
