"""The examples in docstrings, which the reference shows, print what they say."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

from tests.paths import ROOT

FILES = [file for file in sorted((ROOT / "daglite").rglob("*.py")) if ">>> " in file.read_text(encoding="utf-8")]


def name_of(file: Path) -> str:
    """The name under which a module is imported."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("name", [name_of(file) for file in FILES])
def test_examples_print_what_they_say(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0, "the examples are not in docstrings"
    assert result.failed == 0
