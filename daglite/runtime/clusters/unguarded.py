"""Workers of a cluster of our own, started without the script that started them."""

from __future__ import annotations

import multiprocessing.spawn
import threading
from typing import Any

__all__ = ["UNGUARDED"]

_WORKER = "Dask Worker process"


class Unguarded:
    """While a cluster of our own is open, its workers do not import `__main__` again: what is of it goes by value.

    So scripts need no `if __name__ == "__main__"` guard.
    """

    def __init__(self) -> None:
        self._open = 0
        self._lock = threading.Lock()
        self._below = multiprocessing.spawn.get_preparation_data

    def begin(self) -> None:
        """One more cluster is open."""
        with self._lock:
            self._open += 1
            if self._open == 1:
                self._below = multiprocessing.spawn.get_preparation_data
                multiprocessing.spawn.get_preparation_data = self._without_main

    def end(self) -> None:
        """One less."""
        with self._lock:
            self._open -= 1
            if not self._open:
                multiprocessing.spawn.get_preparation_data = self._below

    def _without_main(self, name: str) -> dict[str, Any]:
        data = self._below(name)
        if name.startswith(_WORKER):
            data.pop("init_main_from_name", None)
            data.pop("init_main_from_path", None)
        return data


UNGUARDED = Unguarded()
