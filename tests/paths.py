"""Folders that tests use."""

from __future__ import annotations

from pathlib import Path

# The checkout.
ROOT = Path(__file__).parent.parent
# Texts that tests compare with.
GOLDEN = ROOT / "tests" / "golden"
