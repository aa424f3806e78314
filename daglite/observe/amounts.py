"""Numbers as people read them."""

from __future__ import annotations

_UNITS = ("KiB", "MiB", "GiB", "TiB")


def seconds_text(seconds: float | None) -> str:
    """A duration in three digits."""
    if seconds is None:
        return "-"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        # Three digits would round what is just below it up to 1,000 of the smaller unit.
        if seconds >= 0.9995 * size:
            return f"{_three(seconds / size)} {unit}"
    return "0 s" if seconds < 1e-9 else f"{_three(seconds / 1e-9)} ns"


def clock_text(seconds: float) -> str:
    """A duration as minutes and seconds, with hours where there are any."""
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, rest = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def count_text(count: int | None) -> str:
    """A whole number with commas."""
    return "-" if count is None else f"{count:,}"


def bytes_text(nbytes: float | None) -> str:
    """A number of bytes in three digits."""
    if nbytes is None:
        return "-"
    if nbytes < 1000:
        return f"{int(nbytes)} B"
    size, units = nbytes / 1024, iter(_UNITS)
    unit = next(units)
    while size >= 999.5 and unit != _UNITS[-1]:
        size, unit = size / 1024, next(units)
    return f"{_three(size)} {unit}"


def _three(number: float) -> str:
    digits = 2 if number < 9.995 else 1 if number < 99.95 else 0
    return f"{number:,.{digits}f}"
