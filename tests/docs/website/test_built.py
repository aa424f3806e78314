"""What is found in a built site."""

from __future__ import annotations

from pathlib import Path

import pytest

from website.built import complaints


def site(folder: Path, body: str) -> Path:
    """Two pages in two folders; the second one has a place."""
    (folder / "deep").mkdir()
    (folder / "index.html").write_text(f"<html><body id='top'>{body}</body></html>")
    (folder / "deep" / "page.html").write_text("<html><h1 id='place'>x</h1><a href='../index.html#top'>up</a></html>")
    (folder / "picture.svg").write_text("<svg/>")
    return folder


@pytest.mark.parametrize(
    "body",
    [
        "<a href='deep/page.html#place'>x</a> <a href='#top'>x</a> <a href='deep/page.html?q=1'>x</a>",
        "<a href='https://example.org/page'>shown, not fetched</a> <a href='mailto:a@example.org'>x</a>",
        "<img src='picture.svg'> <img src='data:image/png;base64,AA=='> <link rel='canonical' href='https://example.org'>",
    ],
)
def test_sound_site_has_no_faults(body: str, tmp_path: Path) -> None:
    assert [*complaints(site(tmp_path, body))] == []


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("<a href='deep/gone.html'>x</a>", "links to deep/gone.html, which is not there"),
        ("<a href='deep/'>x</a>", "links to deep/, which is not there"),
        ("<a href='deep/page.html#gone'>x</a>", "links to deep/page.html#gone; there is no such place in that page"),
        ("<a href='#gone'>x</a>", "links to #gone; there is no such place in that page"),
        ("<img src='gone.svg'>", "fetches gone.svg, which is not there"),
        ("<img src='https://example.org/a.png'>", "fetches https://example.org/a.png"),
        ("<script src='//example.org/a.js'></script>", "fetches //example.org/a.js"),
        ("<link rel='stylesheet' href='http://example.org/a.css'>", "fetches http://example.org/a.css"),
        ("<link rel='preconnect' href='https://example.org'>", "fetches https://example.org"),
        ("<pre class='a mermaid'></pre>", "fetches https://unpkg.com/mermaid"),
        ("<iframe src='https://example.org'></iframe>", "fetches https://example.org"),
        ("<style>p { background: url(https://example.org/a) }</style>", "fetches https://example.org/a"),
    ],
)
def test_fault_is_found(body: str, complaint: str, tmp_path: Path) -> None:
    assert [*complaints(site(tmp_path, body))] == [f"index.html: {complaint}"]


@pytest.mark.parametrize("style", ["@import 'https://example.org/a'", 'a { b: url("//example.org/a") }'])
def test_styles_fetch_nothing_from_elsewhere(style: str, tmp_path: Path) -> None:
    (site(tmp_path, "") / "a.css").write_text(f"p {{ background: url(picture.svg) }}\n{style}")
    assert [complaint.partition("//")[2] for complaint in complaints(tmp_path)] == ["example.org/a"]


def test_empty_site_is_a_fault(tmp_path: Path) -> None:
    assert [*complaints(tmp_path)] == [f"{tmp_path}: there is no page"]
