"""Numbers and stages as text."""

from __future__ import annotations

from daglite.program import Stage, Step, steps_of

_UNITS = ("KiB", "MiB", "GiB", "TiB")
# The largest number of tasks of a chain that are all named.
_MOST_TASKS = 6


def seconds_text(seconds: float | None) -> str:
    """Return a duration with three digits."""
    if seconds is None:
        return "-"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        # Three digits would round a duration just below the unit to 1,000 of the smaller one.
        if seconds >= 0.9995 * size:
            return f"{_three_digits(seconds / size)} {unit}"
    return "0 s" if seconds < 1e-9 else f"{_three_digits(seconds / 1e-9)} ns"


def clock_text(seconds: float) -> str:
    """Return a duration as minutes and seconds, with hours where there are any."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def count_text(count: int | None) -> str:
    """Return a whole number with commas."""
    return "-" if count is None else f"{count:,}"


def bytes_text(nbytes: float | None) -> str:
    """Return a number of bytes with three digits."""
    if nbytes is None:
        return "-"
    if nbytes < 1000:
        return f"{int(nbytes)} B"
    size, units = nbytes / 1024, iter(_UNITS)
    unit = next(units)
    while size >= 999.5 and unit != _UNITS[-1]:
        size, unit = size / 1024, next(units)
    return f"{_three_digits(size)} {unit}"


def stage_text(stage: Stage) -> str:
    """Return the tasks of a stage."""
    return chain_text(steps_of(stage))


def chain_text(steps: tuple[Step, ...]) -> str:
    """Return the names of tasks, a long chain without its middle."""
    names = [step.function.name for step in steps]
    return " -> ".join(names if len(names) <= _MOST_TASKS else [*names[:3], "...", *names[-2:]])


def _three_digits(number: float) -> str:
    digits = 2 if number < 9.995 else 1 if number < 99.95 else 0
    return f"{number:,.{digits}f}"
