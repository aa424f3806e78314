"""Progress as bars, drawn by rich: give `Bars()` as the `progress` of a run. Needs the extra `daglite[rich]`."""

from __future__ import annotations

import importlib.util
from typing import TextIO, cast

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress as RichProgress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from daglite.events import Progress
from daglite.observe.line import ProgressLine

# A run that is shorter shows nothing.
_PATIENCE = 1.0


class ProgressBars:
    """A bar for each stage, on `console` (default: the error output). What runs less than a second is not shown.

    Where bars cannot be drawn (no terminal, a notebook without ipywidgets) it is a line, as without them.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = Console(stderr=True) if console is None else console
        self._bars: RichProgress | None = None
        self._tasks: dict[int, TaskID] = {}
        self._line = _instead(self._console)

    def __call__(self, progress: Progress) -> None:
        if self._line is not None:
            self._line(progress)
            return
        if self._bars is None:
            if progress.ended or progress.seconds < _PATIENCE:
                return
            self._bars = self._begun()
        self._update(self._bars, progress)
        if progress.ended:
            self._bars.stop()
            self._bars, self._tasks = None, {}

    def _begun(self) -> RichProgress:
        # Its own thread would be in the way of workers that are forked; it is redrawn on the beats of the run.
        bars = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]:,.0f}/s"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[more]}"),
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        bars.start()
        return bars

    def _update(self, bars: RichProgress, progress: Progress) -> None:
        if progress.stage not in self._tasks:
            name = f"[{progress.stage + 1}/{progress.stages}] " if progress.stages > 1 else ""
            # The brackets are not meant as markup.
            label = f"{name}{progress.task}".replace("[", "\\[")
            self._tasks[progress.stage] = bars.add_task(label, total=progress.total, rate=0.0, more="")
        more = f"{progress.in_flight:,} of {progress.max_in_flight:,} in flight" if progress.max_in_flight > 1 else ""
        if progress.failed:
            more += f"  {progress.failed:,} failed"
        if progress.deaths:
            more += f"  {progress.deaths:,} died"
        bars.update(
            self._tasks[progress.stage],
            completed=progress.done,
            total=progress.total,
            rate=progress.rate,
            more=more.strip(),
            refresh=True,
        )


def _instead(console: Console) -> ProgressLine | None:
    """The line where bars cannot be drawn: they need a screen, and in a notebook they are widgets."""
    if console.is_jupyter:
        return None if importlib.util.find_spec("ipywidgets") else ProgressLine()
    return None if console.is_terminal else ProgressLine(cast("TextIO", console.file))
