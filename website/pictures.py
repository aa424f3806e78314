"""Pictures of plans, made by the code of the page they stand in.

    <!-- picture: plan -->   in the text: here comes the picture of `plan`, a name that the blocks above it gave a value

The blocks above run, in an empty folder, as in the tests; the picture is what a notebook shows for the plan. It is part
of the page and takes its colours from there, light or dark.
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
    """The text of a page, its marks replaced by pictures; raises `ValueError` where the code above one makes none."""
    lines = page.read_text(encoding="utf-8").splitlines(keepends=True)
    for number, line in enumerate(lines):
        if found := PICTURE.match(line.strip()):
            lines[number] = drawn(page, number, found["name"]) + "\n"
    return "".join(lines)


def drawn(page: Path, number: int, name: str) -> str:
    """What a notebook shows for `name` after the blocks above line `number`, as HTML that Markdown leaves alone."""
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
