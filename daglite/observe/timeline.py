"""The times of all batches as a file of trace events in JSON, for Perfetto, chrome://tracing and `daglite timeline`.

Lanes are threads of one process: the source, the coordinator, and each worker; a worker that runs several batches at a
time has several lanes. Where streams pull others, the coordinator's calls for each stream have a lane of their own,
because they alternate and one slice covers many. Times are in microseconds since the start of the run. Events are
written as they come, so that a long run takes no memory, and an interrupted one leaves a file that viewers can read.
"""

from __future__ import annotations

import json
import os
from typing import TextIO

import daglite.events as events
from daglite.observe.amounts import chain_text, stage_text
from daglite.program import Stage, Step, StreamStage, is_pulled, steps_of

FORMAT = "daglite-trace-1"
# The numbers of two lanes; those of workers are their process ids, or the system's ids of their threads.
SOURCE, COORDINATOR = 1, 2
# Larger than all of these: the first of further lanes of workers, and of lanes of streams. Viewers take 32 bits.
_FURTHER, STREAMS = 2**23, 2**30
# Times are rounded to one digit: the end of one slice and the start of the next may overlap by this, in seconds.
_ROUNDING = 1e-7
_WAITS = {"max_in_flight": "waits: in-flight limit reached", "workers": "waits for workers"}
# The shortest pull without items that is written, in seconds.
_LONG_PULL = 0.0001
# The largest number of steps of a batch that are written.
_MOST_STEPS = 20
# Events of batches wait until there are _MOST_WAITING, or until another event comes: written one by one, between the
# rounds of the run, each would take twice as long.
_BATCH_EVENTS = (
    events.BatchCompleted,
    events.Delivered,
    events.Pulled,
    events.Waited,
    events.CompletedLocally,
    events.PartialsMerged,
)
_MOST_WAITING = 256


class Timeline:
    """An observer that writes the file `path` while a run goes on, anew for each run.

    The option `trace=path` of a run makes one. Raises `OSError` at once where the file cannot be written.

    >>> import tempfile
    >>> from daglite import task
    >>> @task
    ... def double(x: int) -> int:
    ...     return x * 2
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     double.map(x=[1, 2]).run(runtime="inline", observers=[Timeline(f"{folder}/run.json")])
    [2, 4]
    """

    detail: events.Detail = "steps"

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = path
        with open(path, "w", encoding="utf-8"):
            pass
        self._file: TextIO | None = None
        self._waiting: list[events.Event] = []

    def on_event(self, event: events.Event, /) -> None:
        """Write an event to the file."""
        if isinstance(event, _BATCH_EVENTS):
            self._waiting.append(event)
            if len(self._waiting) >= _MOST_WAITING:
                self._write_waiting()
            return
        if isinstance(event, events.Sent):
            # `BatchCompleted` has its time.
            return
        self._write_waiting()
        if isinstance(event, events.RunStarted):
            self._begin(event)
        elif self._file is not None:
            self._mark(event)

    def _begin(self, event: events.RunStarted) -> None:
        self._program, self._began, self._pid = event.program, event.at, os.getpid()
        self._stages: dict[int, float] = {}
        self._in_flight: dict[int, int] = {}
        self._lanes = set[int]()
        # By worker, when the last slice of each of its lanes ended; the further lanes of workers.
        self._ends: dict[int, list[float]] = {}
        self._further: dict[tuple[int, int], int] = {}
        self._pulls_streams = any(map(is_pulled, event.program.stages))
        # The names of slices and of steps, as JSON.
        self._names: dict[tuple[int, str], str] = {}
        steps = [step for stage in event.program.stages for step in steps_of(stage)]
        self._steps = {step.number: json.dumps(f"{step.number} {step.function.name}") for step in steps}
        self._file = open(self._path, "w", encoding="utf-8")  # noqa: SIM115 - closed at the end of the run
        stages = [stage_text(stage) for stage in event.program.stages]
        facts = {"format": FORMAT, "title": event.program.title, "runtime": event.runtime, "stages": stages}
        self._file.write(f'{{"displayTimeUnit": "ms", "otherData": {json.dumps(facts)},\n"traceEvents": [\n')
        self._file.write(json.dumps(self._metadata("process_name", 0, {"name": f"daglite {event.runtime}"})))
        for lane, name in ((SOURCE, "source"), (COORDINATOR, "coordinator")):
            self._name_lane(lane, name, lane)

    def _mark(self, event: events.Event) -> None:
        """Write an event of one point of time."""
        match event:
            case events.StageStarted():
                self._stages[event.stage] = event.at
            case events.StreamOpened():
                self._in_flight[event.stage] = 0
            case events.StageEnded():
                began = self._stages.pop(event.stage, event.at)
                for phase, at in (("b", began), ("e", event.at)):
                    self._write(phase, f"stage {event.stage}", COORDINATOR, at, cat="stage", id=event.stage)
            case events.WorkerStarted():
                self._lane(event.worker)
            case events.WorkerEnded():
                what = {"died": "died", "overdue": "killed over a time limit", "renewed": "renewed"}[event.why]
                self._instant(what, self._lane(event.worker), event.at, exitcode=event.exitcode)
            case events.Lost():
                self._instant("lost", self._lane(event.worker), event.at, items=event.items, first=event.first)
            case events.RunEnded():
                if event.error is not None:
                    error = f"{type(event.error).__name__}: {event.error}"[:300]
                    self._instant("failed", COORDINATOR, event.at, error=error)
                self._instant("end", COORDINATOR, event.at)
                assert self._file is not None
                with self._file as file:
                    file.write("\n]}\n")
                self._file = None
            case _:
                pass

    def _write_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        if self._file is not None:
            self._file.write("".join([self._batch_lines(event) for event in waiting]))

    def _batch_lines(self, event: events.Event) -> str:
        match event:
            case events.BatchCompleted():
                began = event.at - event.seconds if event.began is None else event.began
                steps = ", ".join(
                    [f"{self._steps[one.step]}: {1e6 * one.seconds:.1f}" for one in event.steps[:_MOST_STEPS]]
                )
                facts = (
                    f', "done": {event.done}, "first": {event.first}, "batch": {event.batch}'
                    f', "waited": {1e6 * max(0.0, began - event.sent):.1f}, "steps": {{{steps}}}'
                )
                lane = self._lane_of_batch(event.worker, began, event.seconds)
                return self._slice(lane, "task", event.stage, began, event.seconds, event.items, facts)
            case events.Pulled():
                if event.items or event.seconds > _LONG_PULL:
                    began = event.at - event.seconds
                    line = self._slice(SOURCE, "source", event.stage, began, event.seconds, event.items)
                    return line + self._counter(event.stage, event.at, event.items)
            case events.Delivered():
                began = event.at - event.seconds
                line = self._slice(COORDINATOR, "sink", event.stage, began, event.seconds, event.items)
                # Items are counted up to the end of the first segment: after an operation they are other items.
                return line if event.segment else line + self._counter(event.stage, event.at, -event.items)
            case events.PartialsMerged():
                began = event.at - event.seconds if event.began is None else event.began
                lane = self._lane_of_batch(event.worker, began, event.seconds)
                facts = f', "parts": {event.parts}, "waited": {1e6 * max(0.0, began - event.sent):.1f}'
                return self._slice(lane, "merge", event.stage, began, event.seconds, 0, facts)
            case events.CompletedLocally():
                # Without seconds: calls all over a stream, at unknown times.
                if event.seconds:
                    lane = self._lane_of_calls(event.stage)
                    return self._slice(lane, "task", event.stage, event.at - event.seconds, event.seconds, event.items)
            case events.Waited():
                # While the consumer is busy, the helper thread works in the coordinator's lane.
                if event.on != "consumer" and event.seconds:
                    return self._slice(COORDINATOR, event.on, event.stage, event.at - event.seconds, event.seconds, 0)
            case _:
                pass
        return ""

    def _lane(self, worker: int | None) -> int:
        return COORDINATOR if worker is None else self._named_lane(worker, f"worker {worker}", worker)

    def _lane_of_batch(self, worker: int | None, began: float, seconds: float) -> int:
        """Return the first lane of the worker that has no other slice at that time."""
        lane = self._lane(worker)
        if not seconds or worker is None:
            return lane
        ends = self._ends.setdefault(worker, [])
        free = next((number for number, end in enumerate(ends) if end <= began + _ROUNDING), len(ends))
        ends[free : free + 1] = [began + seconds]
        if not free:
            return lane
        further = self._further.setdefault((worker, free), _FURTHER + len(self._further))
        return self._named_lane(further, f"worker {worker}, {free + 1}", worker)

    def _lane_of_calls(self, stage: int) -> int:
        """Return the lane of the coordinator's own calls: a separate one where several streams run at a time."""
        if not self._pulls_streams or not isinstance(self._program.stages[stage], StreamStage):
            return COORDINATOR
        return self._named_lane(STREAMS + stage, f"coordinator, stage {stage}", COORDINATOR)

    def _named_lane(self, lane: int, name: str, order: int) -> int:
        if lane not in self._lanes:
            self._lanes.add(lane)
            self._name_lane(lane, name, order)
        return lane

    def _name_lane(self, lane: int, name: str, order: int) -> None:
        assert self._file is not None
        for what, facts in (("thread_name", {"name": name}), ("thread_sort_index", {"sort_index": order})):
            self._file.write(",\n" + json.dumps(self._metadata(what, lane, facts)))

    def _metadata(self, what: str, lane: int, facts: object) -> dict[str, object]:
        return {"ph": "M", "name": what, "pid": self._pid, "tid": lane, "args": facts}

    def _slice(self, lane: int, cat: str, stage: int, began: float, seconds: float, items: int, facts: str = "") -> str:
        """Return an interval as text. Written by hand, because `json.dumps` takes ten times as long."""
        name = self._names.get((stage, cat))
        if name is None:
            label = _WAITS.get(cat) or _slice_text(self._program.stages[stage], cat)
            kind = "wait" if cat in _WAITS else cat
            name = self._names[stage, cat] = f'"name": {json.dumps(label)}, "cat": "{kind}", "pid": {self._pid}'
        since, duration = 1e6 * (began - self._began), 1e6 * seconds
        if since < 0:
            # By the clock of another machine.
            since, duration = 0.0, max(0.0, duration + since)
        return (
            f',\n{{"ph": "X", {name}, "tid": {lane}, "ts": {since:.1f}, "dur": {duration:.1f}, '
            f'"args": {{"stage": {stage}, "items": {items}{facts}}}}}'
        )

    def _counter(self, stage: int, at: float, change: int) -> str:
        # Briefly negative where the helper thread delivers items of a pull that still runs.
        in_flight = self._in_flight[stage] = self._in_flight.get(stage, 0) + change
        return (
            f',\n{{"ph": "C", "name": "items in flight, stage {stage}", "pid": {self._pid}, "tid": {COORDINATOR}, '
            f'"ts": {1e6 * (at - self._began):.1f}, "args": {{"items": {in_flight if in_flight > 0 else 0}}}}}'
        )

    def _instant(self, name: str, lane: int, at: float, **facts: object) -> None:
        self._write("i", name, lane, at, s="t", cat="end", args=facts)

    def _write(self, phase: str, name: str, lane: int, at: float, **fields: object) -> None:
        assert self._file is not None
        since = round(max(0.0, at - self._began) * 1e6, 1)
        event = {"ph": phase, "name": name, "pid": self._pid, "tid": lane, "ts": since, **fields}
        self._file.write(",\n" + json.dumps(event))


def _slice_text(stage: Stage, cat: str) -> str:
    """Return the name of a slice of a stage: of its source, its tasks, a merge or its sink."""
    if not isinstance(stage, StreamStage):
        return stage_text(stage)
    match cat:
        case "source":
            return stage.source.function.name if isinstance(stage.source, Step) else "mapped arguments"
        case "merge" if stage.combine is not None:
            return stage.combine.step.function.name
        case "sink":
            return (
                stage.sink_step.function.name if stage.sink_step is not None and stage.sink == "reduce" else "collect"
            )
        case _:
            return chain_text(stage.links) or stage_text(stage)
