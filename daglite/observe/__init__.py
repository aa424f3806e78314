"""Observers that come with daglite. They use nothing but events, so yours can do what they do.

report      counts and times of every step, stream and worker; measures has its sums, sheet its text
progress    how far a run is; line shows it as a line, bars as bars of rich, cell below the cell of a notebook
timeline    the times of all batches as a trace file, which page draws as one HTML page
logs        a run in the log                     otel     a run as spans of OpenTelemetry
bottleneck  whether workers wait for the coordinator      amounts  numbers as text
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, cast, get_args

from daglite.events import Detail, Observer
from daglite.exceptions import ParameterError
from daglite.lazy import renamed
from daglite.observe.line import ProgressLine
from daglite.observe.logs import Logging
from daglite.observe.progress import ProgressReporter
from daglite.observe.report import Report
from daglite.observe.timeline import Timeline
from daglite.run_options import RunOptions

__all__ = ["Logging", "ProgressLine", "ProgressReporter", "Report", "Timeline", "observers_of"]


def observers_of(options: RunOptions, *, interactive: bool) -> list[Observer]:
    """Return the observers that the options of a run ask for; `interactive`: show progress unless it is False.

    Raises `ParameterError` for values that are not allowed, such as a trace file that cannot be written.
    """
    found = _checked(options.get("observers", ()))
    progress = cast("object", options.get("progress"))
    if progress is True or (progress is None and interactive):
        found.append(ProgressReporter(ProgressLine()))
    elif callable(progress):
        found.append(ProgressReporter(progress))
    elif progress not in (None, False):
        raise ParameterError(f"`progress` must be True, False, None or a function of one argument; got {progress!r}")
    trace = cast("object", options.get("trace"))
    if isinstance(trace, str | os.PathLike):
        found.append(_timeline(trace))
    elif trace is not None:
        raise ParameterError(f"`trace` must be the name of a file; got {trace!r}")
    return found


def _timeline(trace: str | os.PathLike[str]) -> Timeline:
    try:
        return Timeline(trace)
    except OSError as error:
        folder = os.path.dirname(os.path.abspath(trace))
        why = f"there is no folder {folder!r}" if not os.path.exists(folder) else error.strerror or str(error)
        raise ParameterError(
            f"`trace` must be the name of a file that can be written; got {os.fspath(trace)!r}: {why}"
        ) from None


def _checked(observers: object) -> list[Observer]:
    listed = list(observers) if isinstance(observers, Iterable) and not isinstance(observers, str) else [None]
    if any(hasattr(observer, "notice") and not hasattr(observer, "on_event") for observer in listed):
        raise ParameterError("the method `notice(event)` of an observer is now called `on_event(event)`")
    if any(not callable(getattr(observer, "on_event", None)) for observer in listed):
        raise ParameterError(
            f"`observers` must be a list of objects with a method `on_event(event)`; got {observers!r}"
        )
    for observer in listed:
        if isinstance(observer, type):
            raise ParameterError(
                f"`observers` takes objects, and '{observer.__name__}' is a class: make one, `{observer.__name__}()`, "
                "and keep it to look at when the run is over"
            )
        detail = getattr(observer, "detail", "batches")
        if detail not in get_args(Detail):
            raise ParameterError(f"`detail` of an observer must be 'stages', 'batches' or 'steps'; got {detail!r}")
    return cast("list[Observer]", listed)


if not TYPE_CHECKING:
    __getattr__ = renamed(__name__, {"Following": "ProgressReporter", "Line": "ProgressLine"})
