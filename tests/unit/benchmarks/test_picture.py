"""The report as a picture."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from benchmarks.catalogue import MODULES
from benchmarks.picture import COLUMNS, picture
from tests.unit.benchmarks.samples import report

SVG = "{http://www.w3.org/2000/svg}"


def test_picture_is_well_formed_and_names_the_measured_only() -> None:
    texts = [text.text for text in ElementTree.fromstring(picture(report())).iter(f"{SVG}text")]

    assert [name for name in COLUMNS.values() if name in texts] == ["trivial items", "latency"]
    assert "0.50" in texts
    assert "256" in texts


def test_bars_are_as_long_as_contestants_are_good() -> None:
    room = 76
    bars = re.findall(r'class="(us )?bar".*? width="([\d.]+)"', picture(report()))

    # Trivial: by hand, daglite, imap with its chunk; latency: by hand, daglite, executor (a trace is still seen).
    assert [(bool(us), float(width)) for us, width in bars] == [
        (False, room),
        (True, room * 0.75),
        (False, room * 0.5),
        (False, room),
        (True, room * 0.5),
        (False, 1.0),
    ]


def test_picture_has_colours_for_light_and_dark() -> None:
    assert "@media (prefers-color-scheme: dark)" in picture(report())


def test_columns_are_workloads() -> None:
    assert set(COLUMNS) <= set(MODULES)
