"""Links of the pages lead to existing files and headings; every page is in the navigation of the site."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.paths import ROOT
from website.pages import ELSEWHERE

DOCS = ROOT / "docs"
FILES = [ROOT / "README.md", *(ROOT / name for name in ELSEWHERE), *sorted(DOCS.rglob("*.md"))]
FENCED = re.compile(r"^( *)(`{3,}|~{3,}).*?^\1\2`*$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"(`+).+?\1", re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]*)\)")
HEADING = re.compile(r"^#+ +(.*?)(?:\s+#+)?$", re.MULTILINE)
NAVIGATION = re.compile(r"^ +- .+: (\S+\.md)$", re.MULTILINE)
# The site lists these on a generated page.
LISTED = "decisions/"
MADE = {"decisions/index.md", *ELSEWHERE.values()}
READ_IN_A_MINUTE = 150


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_links_lead_somewhere(file: Path) -> None:
    assert [*broken(file)] == []


def test_every_page_is_in_the_navigation_once() -> None:
    listed = NAVIGATION.findall((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    pages = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}
    assert sorted(listed) == sorted({page for page in pages if not page.startswith(LISTED)} | MADE)


def test_tutorial_is_read_in_ten_minutes() -> None:
    for page in (DOCS / "tutorial").glob("*.md"):
        assert len(page.read_text(encoding="utf-8").split()) <= 10 * READ_IN_A_MINUTE, page.name


@pytest.mark.parametrize(
    ("link", "complaint"),
    [
        ("[a](gone.md)", "links to gone.md, which is not there"),
        ("[a](other.md#gone)", "links to other.md#gone; there is no such heading"),
        ("[a](#gone)", "links to #gone; there is no such heading"),
        ("[over two\nlines](gone.md)", "links to gone.md, which is not there"),
        ("[`code`](gone.md)", "links to gone.md, which is not there"),
    ],
)
def test_broken_link_is_found(link: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# There\n")
    (tmp_path / "page.md").write_text(f"# Here\n\nText {link} text\n")
    assert [*broken(tmp_path / "page.md")] == [complaint]


def test_good_links_and_code_pass(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# A `task`, its *name*\n\n## Twice\n\n## Twice\n")
    (tmp_path / "page.md").write_text(
        "# Here\n[a](other.md#a-task-its-name) [b](#here) [c](https://example.org/gone) `[d](gone)`\n"
        "[e](other.md#twice_1)\n```text\n[f](gone.md)\n```\n"
    )
    assert [*broken(tmp_path / "page.md")] == []


def broken(file: Path) -> Iterator[str]:
    """Yield the broken links of a page."""
    text = FENCED.sub("", file.read_text(encoding="utf-8"))
    # A whole link inside a code span is no link.
    for address in LINK.findall(CODE.sub(lambda span: "" if "](" in span[0] else "code", text)):
        path, _, place = address.partition("#")
        if "://" in path or path.startswith("mailto:"):
            continue
        there = (file.parent / path) if path else file
        if not there.exists():
            yield f"links to {address}, which is not there"
        elif place and place not in places(there):
            yield f"links to {address}; there is no such heading"


def places(file: Path) -> set[str]:
    """Return the anchors of the headings of a page, as the site names them."""
    found = set[str]()
    for heading in HEADING.findall(FENCED.sub("", file.read_text(encoding="utf-8"))):
        # Anchors consist of the words of a heading, without links and marks.
        words = re.sub(r"[^\w\- ]", "", LINK.sub(lambda link: link[0][1:].partition("]")[0], heading).lower())
        name = re.sub(r"[\s]+", "-", words.strip())
        number = 1
        while name in found:
            name = f"{name.removesuffix(f'_{number - 1}')}_{number}"
            number += 1
        found.add(name)
    return found
