"""Numbers as people read them."""

from __future__ import annotations

import pytest

from daglite.observe.amounts import bytes_text, clock_text, count_text, seconds_text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"), (0.0, "0 s"), (2e-9, "2.00 ns"), (1.5e-6, "1.50 us"), (0.0123, "12.3 ms"), (0.999, "999 ms"),
        (1.0, "1.00 s"), (12.345, "12.3 s"), (4321.0, "4,321 s"),
        (999.6e-6, "1.00 ms"), (0.9996, "1.00 s"), (999.4e-6, "999 us"), (999.6e-9, "1.00 us"),
    ],
)  # fmt: skip
def test_seconds_have_three_digits(seconds: float | None, text: str) -> None:
    assert seconds_text(seconds) == text


@pytest.mark.parametrize(
    ("nbytes", "text"),
    [
        (None, "-"), (0, "0 B"), (999, "999 B"), (1000, "0.98 KiB"), (2048, "2.00 KiB"), (5 * 2**30, "5.00 GiB"),
        (10**17, "90,949 TiB"), (999.6 * 2**10, "0.98 MiB"), (999.4 * 2**10, "999 KiB"),
    ],
)  # fmt: skip
def test_bytes_have_three_digits(nbytes: int | None, text: str) -> None:
    assert bytes_text(nbytes) == text


def test_counts_have_commas() -> None:
    assert (count_text(None), count_text(0), count_text(1234567)) == ("-", "0", "1,234,567")


def test_a_clock_has_minutes_and_hours_where_there_are_any() -> None:
    assert [clock_text(seconds) for seconds in (0.4, 59.6, 61, 3725)] == ["0:00", "1:00", "1:01", "1:02:05"]
