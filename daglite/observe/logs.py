"""A run in the log: its start, its stages, its end, and the deaths of workers."""

from __future__ import annotations

import logging

import daglite.events as events
from daglite.observe.amounts import seconds_text, stage_text
from daglite.program import Stage
from daglite.short_repr import counted


class Logging:
    """An observer that writes to a logger (default: "daglite") with `level`; deaths of workers are warnings.

    >>> import logging
    >>> from daglite import task
    >>> @task
    ... def double(x: int) -> int:
    ...     return x * 2
    >>> double.map(x=[1, 2]).run(runtime="inline", observers=[Logging(level=logging.DEBUG)])
    [2, 4]
    """

    detail: events.Detail = "stages"

    def __init__(self, logger: logging.Logger | None = None, level: int = logging.INFO) -> None:
        self._log = logging.getLogger("daglite") if logger is None else logger
        self._level = level
        self._began = 0.0
        self._planned: tuple[Stage, ...] = ()
        self._stages: dict[int, float] = {}
        self._streams: dict[int, events.StreamOpened] = {}

    def on_event(self, event: events.Event, /) -> None:
        """Write an event to the log."""
        match event:
            case events.RunStarted():
                self._planned, self._began = event.program.stages, event.at
                self._stages, self._streams = {}, {}
                stages = counted(len(self._planned), "stage")
                self._log.log(self._level, "a run begins: %s, %s, %s", event.program.title, event.runtime, stages)
            case events.StageStarted():
                self._stages[event.stage] = event.at
                tasks = stage_text(self._planned[event.stage]) if self._planned else ""
                self._log.log(self._level, "stage %d begins: %s", event.stage, tasks)
            case events.StreamOpened():
                self._streams[event.stage] = event
            case events.StageEnded():
                seconds = seconds_text(event.at - self._stages.pop(event.stage, event.at))
                opened = self._streams.pop(event.stage, None)
                items = "" if opened is None else _items_text(opened.gauge)
                self._log.log(self._level, "stage %d ends after %s%s", event.stage, seconds, items)
            case events.WorkerStarted():
                self._log.debug("worker %d has started", event.worker)
            case events.WorkerEnded(why="renewed"):
                self._log.debug("worker %d has reached max_items_per_worker", event.worker)
            case events.WorkerEnded():
                what = "was killed over a time limit" if event.why == "overdue" else "died"
                self._log.warning("worker %d %s, exit code %s", event.worker, what, event.exitcode)
            case events.RunEnded():
                how = "is done" if event.error is None else f"ends with {type(event.error).__name__}"
                self._log.log(self._level, "the run %s after %s", how, seconds_text(event.at - self._began))
            case _:
                pass


def _items_text(gauge: events.Gauge) -> str:
    return f": {counted(gauge.done, 'item')}, {gauge.peak:,} in flight at most"
