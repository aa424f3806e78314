"""Progress as bars of rich: give `ProgressBars()` as the `progress` of a run. Needs the extra `daglite[rich]`."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, TextIO, cast

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
from daglite.lazy import renamed
from daglite.observe.line import SHOWN_AFTER, ProgressLine, state_texts, task_text


class ProgressBars:
    """Draws a bar for each stage on `console` (default: standard error), for runs of more than a second.

    Where bars cannot be drawn (no terminal, a notebook without ipywidgets), it writes lines as `ProgressLine` does.

    >>> from daglite import task
    >>> @task
    ... def double(x: int) -> int:
    ...     return x * 2
    >>> double.map(x=[1, 2]).run(runtime="inline", progress=ProgressBars())
    [2, 4]
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = Console(stderr=True) if console is None else console
        self._bars: RichProgress | None = None
        self._tasks: dict[int, TaskID] = {}
        self._line = _line_instead(self._console)

    def __call__(self, progress: Progress) -> None:
        """Show the state of the run."""
        if self._line is not None:
            self._line(progress)
            return
        if self._bars is None:
            if progress.ended or progress.seconds < SHOWN_AFTER:
                return
            self._bars = self._started()
        self._update(self._bars, progress)
        if progress.ended:
            self._bars.stop()
            self._bars, self._tasks = None, {}

    def _started(self) -> RichProgress:
        # A refresh thread would get in the way of workers that are forked; heartbeats of the run redraw the bars.
        bars = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]:,.0f}/s"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[state]}"),
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
            # Rich would take the brackets for markup.
            label = task_text(progress).replace("[", "\\[")
            self._tasks[progress.stage] = bars.add_task(label, total=progress.total, rate=0.0, state="")
        bars.update(
            self._tasks[progress.stage],
            completed=progress.done,
            total=progress.total,
            rate=progress.rate,
            state="  ".join(state_texts(progress)),
            refresh=True,
        )


def _line_instead(console: Console) -> ProgressLine | None:
    """Return the line for a console on which bars cannot be drawn: in a notebook they are widgets."""
    if console.is_jupyter:
        return None if importlib.util.find_spec("ipywidgets") else ProgressLine()
    return None if console.is_terminal else ProgressLine(cast("TextIO", console.file))


if not TYPE_CHECKING:
    __getattr__ = renamed(__name__, {"Bars": "ProgressBars"})
