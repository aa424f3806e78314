"""The page and the picture: whole HTML, nothing from elsewhere, nothing of the user's taken for markup."""

from __future__ import annotations

import itertools
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from daglite import compile, task
from tests.samples import double, one, pair, rows
from tests.unit.compile.test_long import maps
from tests.unit.explain.pipelines import PIPELINES

VOID = {"meta"}


class Checker(HTMLParser):
    """Finds elements that are not closed, and gathers text and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(html: str) -> Checker:
    found = Checker()
    found.feed(html)
    found.close()
    assert found.open == []
    return found


@pytest.mark.parametrize("name", PIPELINES)
@pytest.mark.parametrize("optimize", [True, False])
def test_page_is_whole_and_has_every_step(name: str, optimize: bool) -> None:
    plan = compile(PIPELINES[name], optimize=optimize)
    page = read(plan.explain("html"))

    assert page.tags.count("tr") == 1 + len([line for line in plan.explain("json").splitlines() if '"verb"' in line])
    for line in plan.explain("json").splitlines():
        if match := re.search(r'"task": "(.*)"', line):
            assert page.text.count(match[1]) >= 2


def test_page_needs_nothing_from_elsewhere() -> None:
    html = compile(PIPELINES["saved"]).explain("html")
    names = {name for name, _ in read(html).attributes}

    assert names.isdisjoint({"src", "href", "onload", "onclick"})
    assert "script" not in read(html).tags
    assert "//" not in html
    assert "url(" not in html
    assert "@import" not in html


def test_page_is_made_for_dark_and_for_paper() -> None:
    html = compile(one(n=1)).explain("html")

    assert "@media (prefers-color-scheme: dark)" in html
    assert "@media print" in html
    assert 'name="viewport"' in html


def test_names_and_values_are_no_markup() -> None:
    hostile = task(lambda x: x, name="<script>alert(1)</script>")
    page = read(compile(hostile(x="</text><b>&amp;")).explain("html"))

    assert "script" not in page.tags
    assert "call <script>alert(1)</script>(" in page.text
    assert "</text><b>&amp;" in page.text


def test_page_tells_laws_remarks_and_limits() -> None:
    text = read(compile(PIPELINES["shared"], max_in_flight=9).explain("html")).text

    assert ".then(f).then(g)" in text
    assert "iter lines -> collect: shared by 3, materialised" in text
    assert "max in flight9 items between source and sink" in text


def test_page_of_5000_steps_is_one_page() -> None:
    html = compile(maps(5000)).explain("html")

    assert len(html.splitlines()) < 150
    assert "(x 4,998)" in html


def test_plan_without_rules_says_so() -> None:
    assert "None: compiled with optimize=False." in compile(one(n=1), optimize=False).explain("html")
    assert "None fired." in compile(one(n=1)).explain("html")


def boxes(html: str) -> list[tuple[float, float, float, float]]:
    """Left, top, right and bottom of every step."""
    found = re.findall(
        r'<rect class="(?:coordinator|workers|gap)" x="(.*?)" y="(.*?)" width="(.*?)" height="(.*?)"', html
    )
    return [(x, y, x + width, y + height) for x, y, width, height in (map(float, one) for one in found)]


@pytest.mark.parametrize("name", PIPELINES)
def test_boxes_do_not_touch_and_no_arrow_crosses_one(name: str) -> None:
    html = compile(PIPELINES[name]).explain("html")
    places = boxes(html)

    assert all(above[3] < below[1] for above, below in itertools.pairwise(places))
    for way in re.findall(r'<path(?: class="value")? d="(M.*?)"/>', html):
        for left, top, right, bottom in pieces(way):
            for box in places:
                inside = left < box[2] and right > box[0] and top < box[3] and bottom > box[1]
                assert not inside, (way, box)


def pieces(way: str) -> list[tuple[float, float, float, float]]:
    """The straight pieces of a path as rectangles without area."""
    start, *rest = re.findall(r"([MHV])([\d.]+)(?: ([\d.]+))?", way)
    x, y, found = float(start[1]), float(start[2]), []
    for letter, to, _ in rest:
        new = (float(to), y) if letter == "H" else (x, float(to))
        found.append((min(x, new[0]), min(y, new[1]), max(x, new[0]), max(y, new[1])))
        x, y = new
    return found


class Touchy:
    """An argument that nobody may look into."""

    def __repr__(self) -> str:
        raise AssertionError("looked at")

    __str__ = __len__ = __iter__ = __bool__ = __eq__ = __hash__ = __reduce_ex__ = __getstate__ = __repr__  # type: ignore[assignment]  # all of them refuse


def test_notebook_picture_runs_nothing_and_looks_into_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def hash_all(program: object) -> None:
        raise AssertionError("hashed")

    monkeypatch.setattr("daglite.explain.fingerprint", hash_all)
    monkeypatch.setattr("daglite.fingerprint.fingerprint", hash_all)

    def explode(x: Any) -> int:
        raise AssertionError("ran")

    plan = compile(pair(rows.iter(n=Touchy()).then(task(explode)), double(x=Touchy())))

    shown = plan._repr_mimebundle_()

    assert shown["text/plain"] == repr(plan)
    assert "iter rows(n=&lt;Touchy&gt;)" in shown["text/html"]
    assert set(shown) == {"text/plain", "text/html"}


def test_notebook_picture_is_a_piece_and_not_a_page() -> None:
    html = compile(PIPELINES["saved"])._repr_mimebundle_(include=None, exclude=None)["text/html"]

    assert read(html).tags[0] == "div"
    assert not {"html", "body", "head"} & set(read(html).tags)
    (style,) = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    assert all(line.startswith(".daglite-plan") for line in style.splitlines())
