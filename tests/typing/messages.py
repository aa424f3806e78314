"""The ten mistakes of docs/how-to/types.md with the messages of the table; the page holds them between two marks."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from tests.typing.programs import ROOT, Program

PAGE = ROOT / "docs" / "how-to" / "types.md"
BEGIN, END = "<!-- messages: from tests/typing/cases -->\n", "<!-- end of messages -->\n"
SPEAKERS = {"mypy": "mypy", "plugin": "mypy with the plugin", "pyright": "pyright", "python": "Python, when built"}
# The name of the program, and what the page calls the mistake.
TEN = {
    "chain of an item of a wrong type": "An item the task does not take",
    "chain with a list task": "An item where the task wants the list",
    "chain with a called extra": "A call where the task belongs",
    "chain with an unknown extra": "An extra that is misspelt",
    "chain of an item into the wrong parameter: extra by position": "The item in the wrong parameter",
    "reduce with the order swapped": "A fold with its parameters in the wrong order",
    "reduce with an initial of a wrong type": "A fold that starts with something else",
    "iter of a task that returns a list": "A stream from a task that is no generator",
    "partial with an unknown name": "A name that `.partial` does not know",
    "result of a wrong type: list for a fold": "The result taken for something else",
}


def chapter(listed: Sequence[Program]) -> str:
    """The part of the page between the marks."""
    named = {program.name: program for program in listed}
    return "\n".join(_mistake(number, title, named[name]) for number, (name, title) in enumerate(TEN.items(), 1))


def _mistake(number: int, title: str, program: Program) -> str:
    told = []
    for judge, speaker in SPEAKERS.items():
        if program.said[judge] != ["ok"]:
            lines = [textwrap.fill(one, 110, initial_indent="    ", subsequent_indent="      ", break_on_hyphens=False)
                     for one in program.said[judge]]  # fmt: skip
        else:
            lines = ["    (builds)" if judge == "python" else "    (no objection)"]
        told.append("\n".join([f"{speaker}:", *lines]))
    block = ["<!-- no-run: a mistake -->", "```python", program.code, "```", "```text", *told, "```"]
    return "\n".join([f"### {number}. {title}", "", *block, ""])


def between_marks(page: Path) -> str:
    """What the page holds now."""
    return page.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]


def rewrite(page: Path, text: str) -> None:
    """Put the chapter between the marks."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    page.write_text(before + BEGIN + text + END + rest.partition(END)[2], encoding="utf-8")
