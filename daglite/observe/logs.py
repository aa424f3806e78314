"""A run in the log: its beginning, its stages, its end, and what went wrong on the way."""

from __future__ import annotations

import logging

from daglite.events import (
    Detail,
    Event,
    RunEnded,
    RunStarted,
    StageEnded,
    StageStarted,
    StreamOpened,
    WorkerEnded,
    WorkerStarted,
)
from daglite.observe.amounts import seconds_text
from daglite.program import Program, steps_of
from daglite.short_repr import counted


class Logging:
    """Writes a run into a log (default: that of the name "daglite"), with `level`; deaths of workers are warnings."""

    detail: Detail = "stages"

    def __init__(self, logger: logging.Logger | None = None, level: int = logging.INFO) -> None:
        self._log = logging.getLogger("daglite") if logger is None else logger
        self._level = level
        self._program: Program | None = None
        self._began = 0.0
        self._stages: dict[int, float] = {}
        self._streams: dict[int, StreamOpened] = {}

    def on_event(self, event: Event, /) -> None:
        match event:
            case RunStarted():
                self._program, self._began = event.program, event.at
                self._stages, self._streams = {}, {}
                self._log.log(
                    self._level,
                    "a run begins: %s, %s, %s",
                    event.program.title,
                    event.runtime,
                    counted(len(event.program.stages), "stage"),
                )
            case StageStarted():
                self._stages[event.stage] = event.at
                self._log.log(self._level, "stage %d begins: %s", event.stage, self._tasks(event.stage))
            case StreamOpened():
                self._streams[event.stage] = event
            case StageEnded():
                self._end(event)
            case WorkerStarted():
                self._log.debug("worker %d is there", event.worker)
            case WorkerEnded(why="renewed"):
                self._log.debug("worker %d has taken all the items it may", event.worker)
            case WorkerEnded():
                what = "was killed over a time limit" if event.why == "overdue" else "died"
                self._log.warning("worker %d %s, exit code %s", event.worker, what, event.exitcode)
            case RunEnded():
                how = "is done" if event.error is None else f"ends with {type(event.error).__name__}"
                self._log.log(self._level, "the run %s after %s", how, seconds_text(event.at - self._began))
            case _:
                pass

    def _end(self, event: StageEnded) -> None:
        seconds = seconds_text(event.at - self._stages.pop(event.stage, event.at))
        opened = self._streams.pop(event.stage, None)
        what = (
            "" if opened is None else f": {counted(opened.gauge.done, 'item')}, {opened.gauge.peak:,} in flight at most"
        )
        self._log.log(self._level, "stage %d ends after %s%s", event.stage, seconds, what)

    def _tasks(self, stage: int) -> str:
        if self._program is None:
            return ""
        names = [step.function.name for step in steps_of(self._program.stages[stage])]
        return " -> ".join(names if len(names) <= 6 else [*names[:3], "...", *names[-2:]])
