"""The progress of a run: an observer that follows the stage that runs, and shows it some times a second."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import daglite.events as events
from daglite.program import Program, steps_of

# The rate is that of the last seconds, of this number.
_RATE_SECONDS = 10.0


class ProgressReporter:
    """An observer that calls `show(progress)` at the heartbeats of a run and at its end, at no cost for the run.

    The option `progress=show` of a run makes one.

    >>> from daglite import task
    >>> @task
    ... def double(x: int) -> int:
    ...     return x * 2
    >>> states = list[events.Progress]()
    >>> double.map(x=[1, 2]).run(runtime="inline", observers=[ProgressReporter(states.append)])
    [2, 4]
    >>> states[-1].task, states[-1].done, states[-1].ended
    ('double', 2, True)
    """

    detail: events.Detail = "stages"

    def __init__(self, show: Callable[[events.Progress], object]) -> None:
        self._show = show
        self._program: Program | None = None
        self._began = 0.0
        self._deaths = 0
        # The stages that run, and the last stream.
        self._open: dict[int, events.StreamOpened | None] = {}
        self._last: events.StreamOpened | None = None
        self._samples: deque[tuple[float, int]] = deque()

    def on_event(self, event: events.Event, /) -> None:
        """Follow the run."""
        match event:
            case events.RunStarted():
                self.__init__(self._show)  # type: ignore[misc]  # nothing of an earlier run is kept
                self._program, self._began = event.program, event.at
            case events.StageStarted():
                self._open[event.stage] = None
            case events.StreamOpened():
                self._open[event.stage] = self._last = event
                self._samples.clear()
            case events.StageEnded():
                self._open.pop(event.stage, None)
            case events.WorkerEnded():
                self._deaths += event.why == "died"
            case events.Heartbeat() | events.RunEnded():
                ended = isinstance(event, events.RunEnded)
                if self._program is not None:
                    self._show(self._progress(self._program, event.at, ended=ended))
                if ended:
                    # Its gauge refers to the items of the stream.
                    self._last = None
            case _:
                pass

    def _progress(self, program: Program, at: float, *, ended: bool) -> events.Progress:
        """Return the state of the stream that runs; without one of the last call, at the end of the last stream."""
        streams = [opened for opened in self._open.values() if opened is not None]
        opened = streams[-1] if streams else self._last if ended else None
        stage = next(reversed(self._open), len(program.stages) - 1)
        done, total, in_flight, most, failed = 0, None, 0, 0, 0
        if opened is not None:
            stage, total, most, gauge = opened.stage, opened.length, opened.max_in_flight, opened.gauge
            done, in_flight, failed = gauge.done, gauge.in_flight, gauge.failed
        rate = self._rate(at, done)
        return events.Progress(
            stage,
            len(program.stages),
            steps_of(program.stages[stage])[-1].function.name,
            done,
            total,
            in_flight,
            most,
            at - self._began,
            rate,
            (total - done) / rate if total is not None and rate > 0 else None,
            self._deaths,
            ended,
            failed,
        )

    def _rate(self, at: float, done: int) -> float:
        samples = self._samples
        samples.append((at, done))
        while len(samples) > 2 and at - samples[0][0] > _RATE_SECONDS:
            samples.popleft()
        began, before = samples[0]
        return (done - before) / (at - began) if at > began else 0.0
