"""Collect the pages of the site in one folder: those of docs/, with pictures, and those made of other files."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from website.pictures import ROOT, with_pictures

__all__ = ["ELSEWHERE", "lay_out"]

# Pages at the root of the repository, and their names on the site.
ELSEWHERE = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
DECISIONS = "decisions/index.md"


def lay_out(folder: Path) -> None:
    """Write all pages of the site into `folder`, replacing its contents."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "docs", folder)
    for page in sorted(folder.rglob("*.md")):
        page.write_text(with_pictures(page), encoding="utf-8")
    for name, there in ELSEWHERE.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        (folder / there).write_text(text.replace("](docs/", "]("), encoding="utf-8")
    (folder / DECISIONS).write_text("\n".join(decisions(folder)) + "\n", encoding="utf-8")


def decisions(folder: Path) -> Iterator[str]:
    """Yield the lines of the page that lists the decisions."""
    yield from ("# Decisions", "", "Choices that others may want to question: context, choice, what was rejected.", "")
    for page in sorted((folder / DECISIONS).parent.glob("[0-9]*.md")):
        title = page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        yield f"- [{title.replace('. ', ' · ', 1)}]({page.name})"
