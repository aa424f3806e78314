"""The Python blocks of a Markdown page, which the tests run and which draw pictures.

In the text:
    <!-- no-run: reason -->  before a block: compile it only
    <!-- output -->          before a ```text block that follows a Python block: its exact output
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Block", "blocks", "fenced"]

FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|~{3,})(?P<info>.*)$")
COMMENT = re.compile(r"^<!--\s*(?P<word>no-run|output)\b(?P<rest>.*?)-->$")
FOLLOWED_BY = {"no-run": ["python"], "output": ["text"]}


@dataclass
class Block:
    """A Python block: the number of the line before it, its code, whether it runs, and its expected output."""

    line: int
    code: str
    runs: bool
    output: str | None = None


def blocks(file: Path) -> Iterator[Block]:
    """Yield the Python blocks of a Markdown file, each with its expected output, if any."""
    lines = file.read_text(encoding="utf-8").splitlines()
    last: Block | None = None  # the Python block whose output may follow
    word, told, number = "", 0, 0
    while number < len(lines):
        line = lines[number].strip()
        number += 1
        where = f"{file.name}:{number}"
        if comment := COMMENT.match(line):
            word, told = comment["word"], number
            assert word == "output" or comment["rest"].strip(" :"), f"{where}: no-run needs a reason"
            assert word != "output" or last, f"{where}: <!-- output --> does not follow a Python block"
            continue
        fence = FENCE.match(lines[number - 1])
        if fence is None:
            if line:
                assert not word, f"{file.name}:{told}: <!-- {word} --> does not stand right before a block"
                last = None
            continue
        start, closing = number, re.compile(rf"^ *{fence['fence'][0]}{{{len(fence['fence'])},}}\s*$")
        while number < len(lines) and not closing.match(lines[number]):
            number += 1
        assert number < len(lines), f"{where}: fence is not closed"
        body = "".join(text.removeprefix(fence["indent"]) + "\n" for text in lines[start:number])
        number += 1
        language = fence["info"].split()[:1]
        assert not word or language == FOLLOWED_BY[word], (
            f"{file.name}:{told}: <!-- {word} --> does not stand right before"
        )
        if language == ["python"]:
            last = Block(start, body, runs=word != "no-run")
            yield last
        elif word == "output" and last is not None:
            last.output, last = body, None
        else:
            last = None
        word = ""


def fenced(docstring: str) -> str:
    """Return the docstring with a fence around each paragraph that begins with a prompt."""
    paragraphs = docstring.split("\n\n")
    return "\n\n".join(
        f"```pycon\n{paragraph}\n```" if paragraph.startswith(">>> ") else paragraph for paragraph in paragraphs
    )
