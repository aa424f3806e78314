"""The figures in the docs."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.published import PAGE, RESULTS, marked, publish, tables
from benchmarks.results import Report
from tests.unit.benchmarks.samples import report

TRIVIAL = """\
### `trivial`

nothing to do (items/s; more is better)

| contestant | items | items/s | A | B | CPU an item | peak MB | spread |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
| A fork + pipes, batch 1024 | 1,000 | 4.00 M | 1.00 | 2.00 | 2.00 ms | 3.50 | 50% |
| **daglite** | **1,000** | **3.00 M** | **0.75** | **1.50** | **2.00 ms** | **3.50** | **50%** |
| B imap, chunk 256 | 1,000 | 2.00 M | 0.50 | 1.00 | 2.00 ms | 3.50 | 50% |

Without a figure: joblib (not installed).
"""


def test_page_shows_what_the_results_beside_it_say() -> None:
    published = Report.from_json(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else None
    assert marked(PAGE)[1] == tables(published)


def test_published_figures_are_no_quick_look() -> None:
    assert not RESULTS.exists() or not Report.from_json(RESULTS.read_text(encoding="utf-8")).quick


def test_tables_are_those_of_the_command() -> None:
    text = tables(report())
    assert TRIVIAL in text
    assert text.startswith("![relative results](../reference/benchmarks.svg)\n\n2026-11-25, 2 processors,")


def test_publishing_replaces_figures_and_nothing_else(tmp_path: Path) -> None:
    page, results = tmp_path / "page.md", tmp_path / "results.json"
    page.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    publish(report(), results, page)
    publish(report(), results, page)
    before, text, after = marked(page)
    assert (before, after) == (marked(PAGE)[0], marked(PAGE)[2])
    assert text == tables(report())
    assert Report.from_json(results.read_text(encoding="utf-8")) == report()
    assert "<svg" in (tmp_path / "results.svg").read_text(encoding="utf-8")


def test_page_without_marks_is_refused(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("no figures", encoding="utf-8")
    with pytest.raises(ValueError, match=r"page\.md has no part between"):
        marked(tmp_path / "page.md")
