"""How far a run is: an observer that follows the stage at work and shows it some times a second."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from daglite.events import (
    Detail,
    Event,
    Heartbeat,
    Progress,
    RunEnded,
    RunStarted,
    StageEnded,
    StageStarted,
    StreamOpened,
    WorkerEnded,
)
from daglite.program import Program, steps_of

# The rate is that of so many last seconds.
_LATELY = 10.0


class ProgressReporter:
    """Calls `show(progress)` on the beats of a run and at its end. It asks for nothing that costs the run anything."""

    detail: Detail = "stages"

    def __init__(self, show: Callable[[Progress], object]) -> None:
        self._show = show
        self._program: Program | None = None
        self._began = 0.0
        self._deaths = 0
        # The stages that have begun and not ended, and those of them that are streams.
        self._open: dict[int, StreamOpened | None] = {}
        self._last: StreamOpened | None = None
        self._lately: deque[tuple[float, int]] = deque()

    def on_event(self, event: Event, /) -> None:
        match event:
            case RunStarted():
                self.__init__(self._show)  # type: ignore[misc]  # a new run begins with nothing
                self._program, self._began = event.program, event.at
            case StageStarted():
                self._open[event.stage] = None
            case StreamOpened():
                self._open[event.stage] = self._last = event
                self._lately.clear()
            case StageEnded():
                self._open.pop(event.stage, None)
            case WorkerEnded():
                self._deaths += event.why == "died"
            case Heartbeat() | RunEnded():
                self._tell(event.at, ended=isinstance(event, RunEnded))
                if isinstance(event, RunEnded):
                    # Its gauge holds what it counts.
                    self._last = None
            case _:
                pass

    def _tell(self, at: float, *, ended: bool) -> None:
        """Show the stream that runs, without one the call that was started last, at the end the last stream."""
        program = self._program
        if program is None:
            return
        streams = [opened for opened in self._open.values() if opened is not None]
        opened = streams[-1] if streams else self._last if ended else None
        stage = opened.stage if opened is not None else next(reversed(self._open), len(program.stages) - 1)
        done, total, in_flight, window, failed = 0, None, 0, 0, 0
        if opened is not None:
            gauge = opened.gauge
            done, total, in_flight, window = gauge.done, opened.length, gauge.in_flight, opened.max_in_flight
            failed = gauge.failed
        rate = self._rate(at, done)
        left = (total - done) / rate if total is not None and rate > 0 else None
        task = steps_of(program.stages[stage])[-1].function.name
        stages, seconds = len(program.stages), at - self._began
        told = Progress(
            stage, stages, task, done, total, in_flight, window, seconds, rate, left, self._deaths, ended, failed
        )
        self._show(told)

    def _rate(self, at: float, done: int) -> float:
        lately = self._lately
        lately.append((at, done))
        while len(lately) > 2 and at - lately[0][0] > _LATELY:
            lately.popleft()
        began, before = lately[0]
        return (done - before) / (at - began) if at > began else 0.0
