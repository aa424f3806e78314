"""What the site is built of."""

from __future__ import annotations

from pathlib import Path

import pytest

from website.blocks import fenced
from website.pages import lay_out
from website.pictures import with_pictures

PAGE = """\
```python
import daglite
from daglite import task

plan = daglite.compile(task(lambda: 1, name="one")())
```

<!-- picture: plan -->

```python
raise SystemExit("what stands below a picture does not run for it")
```
"""


def test_picture_is_drawn_by_the_code_above_it(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(PAGE)
    text = with_pictures(tmp_path / "page.md")
    assert "call one" in text
    before, after = PAGE.split("<!-- picture: plan -->\n")
    assert text.startswith(before)
    assert text.endswith(after)
    picture = text[len(before) : -len(after)]
    assert picture.startswith('<div class="daglite-plan">')
    assert "\n\n" not in picture, "Markdown would end the picture at a blank line"


def test_picture_of_an_unknown_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(PAGE.replace("picture: plan", "picture: plam"))
    with pytest.raises(ValueError, match=r"(?s)page\.md:8: no picture of 'plam'.*NameError"):
        with_pictures(tmp_path / "page.md")


def test_pages_are_laid_out_with_pictures_and_a_list_of_decisions(tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "old.md").write_text("of an earlier build")
    lay_out(tmp_path / "pages")
    assert not (tmp_path / "pages" / "old.md").exists()
    assert '<div class="daglite-plan">' in (tmp_path / "pages" / "index.md").read_text(encoding="utf-8")
    assert "](reference/benchmarks.md)" in (tmp_path / "pages" / "contributing.md").read_text(encoding="utf-8")
    decisions = (tmp_path / "pages" / "decisions" / "index.md").read_text(encoding="utf-8")
    assert "- [2 · Saves are attached to what they save](0002-saves-are-attached.md)" in decisions


def test_examples_in_docstrings_become_code() -> None:
    assert fenced("Words.\n\n>>> 1\n1\n\n    tree\n\n>>> 2") == (
        "Words.\n\n```pycon\n>>> 1\n1\n```\n\n    tree\n\n```pycon\n>>> 2\n```"
    )
