"""Stores of saves."""

from __future__ import annotations

from daglite.datasets.store import DatasetStore

__all__ = ["DatasetStore"]
