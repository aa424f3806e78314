"""Check the built site: every link leads to a page and an anchor in it, and nothing is fetched from other hosts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["complaints"]

# Elements that a browser fetches by itself.
FETCHED = {"audio", "embed", "iframe", "img", "link", "object", "script", "source", "track", "video"}
# Relations of a `link` that a browser does not fetch.
RELATIONS = {"canonical", "alternate", "next", "prev", "edit"}
# The theme fetches a script for elements of this class.
DRAWN_BY_OTHERS = "mermaid"
STYLE_FETCHES = re.compile(r"(?:url\(|@import)\s*['\"]?\s*((?:https?:)?//[^\s)'\"]+)")


@dataclass
class Page:
    """The anchors of a page, its links, the addresses that it fetches, and its styles, which may fetch more."""

    places: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    fetches: list[str] = field(default_factory=list)
    styles: list[str] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self._styles = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value for name, value in attrs if value is not None}
        self._styles = tag == "style"
        self.page.styles.append(given.get("style", ""))
        if DRAWN_BY_OTHERS in given.get("class", "").split():
            self.page.fetches.append(f"https://unpkg.com/{DRAWN_BY_OTHERS}")
        self.page.places |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.page.links.append(given["href"])
        elif tag in FETCHED and not RELATIONS & set(given.get("rel", "").split()):
            self.page.fetches += [given[name] for name in ("src", "href", "data", "poster") if name in given]

    def handle_data(self, data: str) -> None:
        if self._styles:
            self.page.styles.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._styles = False


def complaints(site: Path) -> Iterator[str]:
    """Yield a line for each fault of the site in this folder."""
    pages = {file.resolve(): read(file) for file in sorted(site.rglob("*.html"))}
    if not pages:
        yield f"{site}: there is no page"
    for file, page in pages.items():
        # The page for unknown addresses; its links begin at the root of the server.
        if file.name != "404.html":
            yield from (f"{file.relative_to(site.resolve())}: {fault}" for fault in faults(file, page, pages))
    for style in sorted(site.rglob("*.css")):
        for found in STYLE_FETCHES.findall(style.read_text(encoding="utf-8")):
            yield f"{style.relative_to(site)}: fetches {found}"


def read(file: Path) -> Page:
    """Parse the page in this file."""
    reader = _Reader()
    reader.feed(file.read_text(encoding="utf-8"))
    return reader.page


def faults(file: Path, page: Page, pages: dict[Path, Page]) -> Iterator[str]:
    """Yield the faults of one page."""
    for address in page.fetches:
        if urlsplit(address).netloc:
            yield f"fetches {address}"
        elif not urlsplit(address).scheme and not target(file, address).exists():
            yield f"fetches {address}, which is not there"
    for style in page.styles:
        yield from (f"fetches {found}" for found in STYLE_FETCHES.findall(style))
    for address in dict.fromkeys(page.links):
        parts = urlsplit(address)
        if parts.scheme or parts.netloc:
            continue
        there = target(file, address)
        if not there.exists():
            yield f"links to {address}, which is not there"
        elif parts.fragment and there in pages and unquote(parts.fragment) not in pages[there].places:
            yield f"links to {address}; there is no such place in that page"


def target(file: Path, address: str) -> Path:
    """Return the file that an address in a page refers to."""
    path = unquote(urlsplit(address).path)
    there = (file.parent / path).resolve() if path else file
    return there / "index.html" if there.is_dir() else there
