"""Progress as one line below the cell of a notebook: one output of plain text, replaced as the run goes on.

It is imported only where a notebook may be, and IPython is. Lines written to the error output would be kept, each of
them, when the notebook is saved, and shown in red.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, cast

from IPython.core.getipython import get_ipython
from IPython.display import DisplayHandle


class _DisplayHandle(Protocol):
    def display(self, shown: dict[str, str], /, *, raw: bool) -> object: ...
    def update(self, shown: dict[str, str], /, *, raw: bool) -> object: ...


# What IPython does not annotate.
_made = cast("Callable[[], _DisplayHandle]", DisplayHandle)
_shell = cast("Callable[[], object]", get_ipython)


def in_notebook() -> bool:
    """Whether cells run here. A program may load the kernel for other reasons, and so be none."""
    return hasattr(_shell(), "kernel")


class NotebookCell:
    """The place below the cell that runs now."""

    def __init__(self) -> None:
        self._handle: _DisplayHandle | None = None

    def show(self, line: str) -> None:
        shown = {"text/plain": line}
        if self._handle is None:
            self._handle = _made()
            self._handle.display(shown, raw=True)
        else:
            self._handle.update(shown, raw=True)
