"""Progress as one line: redrawn on a terminal and below a notebook's cell, written now and then elsewhere."""

from __future__ import annotations

import contextlib
import shutil
import sys
import threading
from typing import TYPE_CHECKING, Literal, TextIO

from daglite.events import Progress
from daglite.lazy import lazy
from daglite.observe.amounts import clock_text
from daglite.short_repr import counted

if TYPE_CHECKING:
    import daglite.observe.cell as cells
else:
    cells = lazy("daglite.observe.cell")


# Progress of a run that takes less than this many seconds is not shown.
SHOWN_AFTER = 1.0
# Seconds between two lines where a line cannot be redrawn.
_INTERVAL = 10.0

# Held while a line is shown: two runs at once would draw over each other.
_DRAWING = threading.Lock()


class ProgressLine:
    """Shows progress on `stream` (default: standard error, or below the cell of a notebook).

    Runs of less than a second show nothing. Give one as the `progress` of a run, or `progress=True`.

    >>> import io
    >>> from daglite import task
    >>> @task
    ... def double(x: int) -> int:
    ...     return x * 2
    >>> double.map(x=[1, 2]).run(runtime="inline", progress=ProgressLine(io.StringIO()))
    [2, 4]
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._kind: Literal["terminal", "notebook", "plain"] = "plain"
        self._drawn = False
        self._written = 0.0
        self._cell: cells.NotebookCell | None = None

    def __call__(self, progress: Progress) -> None:
        """Show the state of the run."""
        if not self._drawn and (progress.ended or progress.seconds < SHOWN_AFTER or not self._start()):
            return
        if self._kind == "plain" and progress.seconds - self._written < _INTERVAL and not progress.ended:
            return
        self._written = progress.seconds
        # A closed stream, or a pipe without a reader, must not end the run.
        with contextlib.suppress(OSError, ValueError):
            self._draw(progress)
        if progress.ended:
            self._drawn = False
            _DRAWING.release()

    def _start(self) -> bool:
        """Return whether this line may draw from now on."""
        if not _DRAWING.acquire(blocking=False):
            return False
        self._drawn = True
        self._written = -_INTERVAL
        with contextlib.suppress(AttributeError, ValueError):
            terminal = self._out().isatty()
            notebook = self._stream is None and "ipykernel" in sys.modules and cells.in_notebook()
            self._kind = "terminal" if terminal else "notebook" if notebook else "plain"
            self._cell = cells.NotebookCell() if self._kind == "notebook" else None
        return True

    def _out(self) -> TextIO:
        return sys.stderr if self._stream is None else self._stream

    def _draw(self, progress: Progress) -> None:
        if self._cell is not None:
            self._cell.show(line_text(progress))
            return
        out = self._out()
        if self._kind == "terminal":
            width = shutil.get_terminal_size().columns - 1
            # The cursor goes back to the start of the line, so that output of the user's overwrites it.
            out.write("\r\x1b[K" if progress.ended else f"\r{line_text(progress)[:width]}\x1b[K\r")
        else:
            out.write(f"{line_text(progress)}\n")
        out.flush()


def line_text(progress: Progress) -> str:
    """Return the line: `[2/3] price  12,300 of 50,000 (24 %)  1,230/s  0:31 left  212 of 1,024 in flight`."""
    parts = [task_text(progress)]
    if progress.max_in_flight:
        if progress.total is None:
            parts.append(f"{progress.done:,} done")
        else:
            share = f" ({100 * progress.done // progress.total} %)" if progress.total else ""
            parts.append(f"{progress.done:,} of {progress.total:,}{share}")
        parts.append(f"{progress.rate:,.0f}/s" if progress.rate >= 10 else f"{progress.rate:.2g}/s")
    parts.append(clock_text(progress.seconds))
    if progress.left is not None and not progress.ended:
        parts.append(f"{clock_text(progress.left)} left")
    return "  ".join([*parts, *state_texts(progress)])


def task_text(progress: Progress) -> str:
    """Return the task that runs, with the number of its stage where there are several."""
    return f"[{progress.stage + 1}/{progress.stages}] {progress.task}" if progress.stages > 1 else progress.task


def state_texts(progress: Progress) -> list[str]:
    """Return the items in flight, the items that failed and the workers that died, where there are any."""
    texts = []
    if progress.max_in_flight > 1 and not progress.ended:
        texts.append(f"{progress.in_flight:,} of {progress.max_in_flight:,} in flight")
    if progress.failed:
        texts.append(f"{progress.failed:,} failed")
    if progress.deaths:
        texts.append(f"{counted(progress.deaths, 'worker')} died")
    return texts
