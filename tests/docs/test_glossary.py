"""The glossary: at most 40 terms, each with a definition, an existing place in the code and a precedent."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "reference" / "glossary.md"
MOST_TERMS = 40


@dataclass(frozen=True)
class Term:
    """One row of the table."""

    name: str
    definition: str
    place: str
    precedent: str

    @property
    def names(self) -> list[str]:
        """The modules and classes that the row names, without the package."""
        return re.findall(r"`([\w.]+)`", self.place)


def terms() -> list[Term]:
    """The rows of the table, without its head."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    return [Term(*(cell.strip() for cell in line.strip("|").split("|"))) for line in lines[1:]]


TERMS = terms()


def test_there_are_at_most_forty_terms_and_each_is_defined_once() -> None:
    names = [term.name for term in TERMS]
    assert 20 <= len(names) <= MOST_TERMS
    assert len({*names}) == len(names)


@pytest.mark.parametrize("term", TERMS, ids=lambda term: term.name)
def test_term_has_a_definition_a_place_and_a_precedent(term: Term) -> None:
    assert term.definition.endswith((".", ".)"))
    assert len(term.definition.split()) >= 5
    assert len(re.findall(r"\.(?=\)|\s|$)", term.definition)) <= 3, "a sentence or two, and one in brackets"
    assert term.precedent
    assert term.names
    for name in term.names:
        found(f"daglite.{name}")


def found(name: str) -> object:
    """The module or the attribute of a module of this dotted name."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        return getattr(importlib.import_module(module), attribute)
