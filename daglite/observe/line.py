"""Progress as one quiet line: redrawn on a terminal and below a notebook's cell, written now and then elsewhere."""

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


# A run that is shorter shows nothing.
_PATIENCE = 1.0
# How often a line is written where it cannot be redrawn.
_SELDOM = 10.0

# Held by whoever draws: two runs at once would draw over each other.
_DRAWING = threading.Lock()


class ProgressLine:
    """Shows progress on `stream`; without one on the error output, or below the cell of a notebook.

    What runs less than a second is not shown.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._kind: Literal["terminal", "notebook", "plain"] = "plain"
        self._drawn = False
        self._written = 0.0
        self._cell: cells.NotebookCell | None = None

    def __call__(self, progress: Progress) -> None:
        if not self._drawn and (progress.ended or progress.seconds < _PATIENCE or not self._begin()):
            return
        if self._kind == "plain" and progress.seconds - self._written < _SELDOM and not progress.ended:
            return
        self._written = progress.seconds
        # The line must not end a run: whoever reads it may be gone.
        with contextlib.suppress(OSError, ValueError):
            self._draw(progress)
        if progress.ended:
            self._drawn = False
            _DRAWING.release()

    def _begin(self) -> bool:
        """Whether it may draw from now on."""
        if not _DRAWING.acquire(blocking=False):
            return False
        self._drawn = True
        self._written = -_SELDOM
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
            room = shutil.get_terminal_size().columns - 1
            # The cursor goes back to the start: what the user prints next writes over the line.
            out.write("\r\x1b[K" if progress.ended else f"\r{line_text(progress)[:room]}\x1b[K\r")
        else:
            out.write(f"{line_text(progress)}\n")
        out.flush()


def line_text(progress: Progress) -> str:
    """The line: `[2/3] price  12,300 of 50,000 (24 %)  1,230/s  0:31 left  212 of 1,024 in flight`."""
    parts = [f"[{progress.stage + 1}/{progress.stages}] {progress.task}" if progress.stages > 1 else progress.task]
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
    if progress.max_in_flight > 1 and not progress.ended:
        parts.append(f"{progress.in_flight:,} of {progress.max_in_flight:,} in flight")
    if progress.failed:
        parts.append(f"{progress.failed:,} failed")
    if progress.deaths:
        parts.append(f"{counted(progress.deaths, 'worker')} died")
    return "  ".join(parts)
