"""The examples in docstrings print their expected output."""

from __future__ import annotations

import doctest
import importlib
import inspect
from pathlib import Path
from types import ModuleType

import pytest

from tests.paths import ROOT

FILES = [file for file in sorted((ROOT / "daglite").rglob("*.py")) if ">>> " in file.read_text(encoding="utf-8")]


def name_of(file: Path) -> str:
    """Return the name under which a module is imported."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("name", [name_of(file) for file in FILES])
def test_examples_print_what_they_say(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    # doctest looks into every name of a module; a lazy one of an extra that is not installed could not be loaded.
    for lazy in [name for name, value in vars(module).items() if isinstance(value, ModuleType)]:
        try:
            inspect.unwrap(getattr(module, lazy))
        except ModuleNotFoundError:
            monkeypatch.delattr(module, lazy)
    result = doctest.testmod(module)
    assert result.attempted > 0, "the examples are not in docstrings"
    assert result.failed == 0
