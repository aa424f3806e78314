"""The output below the cell of a notebook: plain text, replaced as the run goes on.

It is imported only where IPython is. Lines on standard error would be kept with the notebook, each of them, in red.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, cast

from IPython.core.getipython import get_ipython
from IPython.display import DisplayHandle


class _DisplayHandle(Protocol):
    def display(self, shown: dict[str, str], /, *, raw: bool) -> object: ...
    def update(self, shown: dict[str, str], /, *, raw: bool) -> object: ...


# IPython has no annotations for these.
_new_handle = cast("Callable[[], _DisplayHandle]", DisplayHandle)
_shell = cast("Callable[[], object]", get_ipython)


def in_notebook() -> bool:
    """Return whether this process runs the cells of a notebook; importing `ipykernel` alone does not say so."""
    return hasattr(_shell(), "kernel")


class NotebookCell:
    """The output of the cell that runs now."""

    def __init__(self) -> None:
        self._handle: _DisplayHandle | None = None

    def show(self, line: str) -> None:
        """Show `line` in place of the one before."""
        shown = {"text/plain": line}
        if self._handle is None:
            self._handle = _new_handle()
            self._handle.display(shown, raw=True)
        else:
            self._handle.update(shown, raw=True)
