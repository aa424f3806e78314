"""The English of the package: docstrings, comments and messages are plain, and class names are unique.

A docstring begins with a verb or with a noun of the glossary, and has no metaphors. Each test lists all violations by
file and line.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PACKAGE = sorted((ROOT / "daglite").rglob("*.py"))
WITH_DOCSTRINGS = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)

FIRST_WORDS = re.compile(r"(what|who|whoever|nobody|somebody|so many)\b", re.IGNORECASE)
WORDS = (
    "nobody|somebody|whoever|so many|stands|sees to|see to|looks? back|knows? nothing of|for good|of course|strangers?"
    "|wish(?:es|ed)?|nests?|bury|buries|buried|lends?|lent|borrow(?:s|ed|ing)?|dear(?:er|est)?|crew|desks?|house|company"
    "|mail|parcels?|appetite|lull|legs?|mishaps?|boards?|sessions?|inlets?|outlets?|verdicts?"
)
FORBIDDEN = re.compile(rf"\b({WORDS})\b", re.IGNORECASE)
# Uses with another meaning: the file, and the word.
ALLOWED: set[tuple[str, str]] = set()


def name_of(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def test_docstrings_begin_with_a_verb_or_a_term() -> None:
    assert_none(
        f"{name_of(file)}:{line}: {text.splitlines()[0]}"
        for file in PACKAGE
        for line, text in docstrings(file.read_text(encoding="utf-8"))
        if FIRST_WORDS.match(text)
    )


def test_docstrings_comments_and_messages_have_no_metaphors() -> None:
    assert_none(
        f"{name_of(file)}:{line}: {word!r}"
        for file in PACKAGE
        for line, word in metaphors(file.read_text(encoding="utf-8"))
        if (name_of(file), word) not in ALLOWED
    )


def test_class_names_are_unique() -> None:
    places = defaultdict[str, list[str]](list)
    for file in PACKAGE:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{name_of(file)}:{node.lineno}")
    assert_none(f"{name}: {', '.join(found)}" for name, found in sorted(places.items()) if len(found) > 1)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('"""Whoever reads this."""', [(1, "Whoever")]),
        ("x = 1  # nobody asks", [(1, "nobody")]),
        ("def f():\n    raise ValueError(f'so many {1} items, so  many')", [(2, "so many"), (2, "so many")]),
        ("x = 'a house'\n'''A text:\n\n    lent to it'''", [(1, "house"), (4, "lent")]),
        ("# a board\nboard = legs = 'household'", [(1, "board")]),
    ],
)
def test_metaphor_is_found(source: str, found: list[tuple[int, str]]) -> None:
    assert [*metaphors(source)] == found


def test_first_words_are_found() -> None:
    source = '"""What it is."""\ndef f():\n    """Return what it is."""\nclass A:\n    """Who\'s there."""'
    assert [line for line, text in docstrings(source) if FIRST_WORDS.match(text)] == [1, 5]


def docstrings(source: str) -> Iterator[tuple[int, str]]:
    """Yield each docstring of a module, with its line."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, WITH_DOCSTRINGS) and (text := ast.get_docstring(node)):
            yield node.body[0].lineno, text


def metaphors(source: str) -> Iterator[tuple[int, str]]:
    """Yield each forbidden word in the comments and strings of a module, with its line."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        # Python 3.12 has tokens of their own for the texts in an f-string.
        if token.type in (tokenize.COMMENT, tokenize.STRING) or tokenize.tok_name[token.type] == "FSTRING_MIDDLE":
            text = re.sub(r" +", " ", token.string)
            for word in FORBIDDEN.finditer(text):
                yield token.start[0] + text.count("\n", 0, word.start()), word[1]


def assert_none(found: Iterator[str]) -> None:
    """Fail with everything that was found, one a line."""
    text = "\n".join(found)
    assert not text, f"{text.count(chr(10)) + 1} found\n{text}"
