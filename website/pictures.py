"""Pictures of plans, drawn by the code of their page.

    <!-- picture: plan -->   in the text: the picture of `plan`, a name defined by the blocks above

The blocks above run in an empty folder, as in the tests. The picture is the one that a notebook shows. It is part of
the page and takes its colours from there, light or dark.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from website.blocks import blocks

__all__ = ["ROOT", "with_pictures"]

ROOT = Path(__file__).parent.parent
PICTURE = re.compile(r"^<!--\s*picture:\s*(?P<name>\w+)\s*-->$")
MARK = "=== the picture"
SECONDS = 100


def with_pictures(page: Path) -> str:
    """Return a page with its marks replaced by pictures; raise `ValueError` where the code above one draws none."""
    lines = page.read_text(encoding="utf-8").splitlines(keepends=True)
    for number, line in enumerate(lines):
        if found := PICTURE.match(line.strip()):
            lines[number] = drawn(page, number, found["name"]) + "\n"
    return "".join(lines)


def drawn(page: Path, number: int, name: str) -> str:
    """Return the notebook's picture of `name` after the blocks above line `number`, as HTML for Markdown."""
    code = [block.code for block in blocks(page) if block.runs and block.line < number]
    shown = f"\nprint({MARK!r})\nprint({name}._repr_mimebundle_()['text/html'])\n"
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "page.py")
        script.write_text("\n".join([*code, shown]), encoding="utf-8")
        result = subprocess.run(
            [sys.executable, "-W", "error", script.name],
            capture_output=True,
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            encoding="utf-8",
            timeout=SECONDS,
            check=False,
        )
    if result.returncode:
        raise ValueError(f"{page.name}:{number + 1}: no picture of '{name}'\n{result.stderr}")
    picture = result.stdout.partition(MARK)[2].strip()
    # A blank line would end the HTML for Markdown.
    return "\n".join(line for line in picture.splitlines() if line.strip())
