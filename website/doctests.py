"""For the API overview: turn examples in docstrings (`>>>`), which Markdown reads as quotations, into code blocks."""

from __future__ import annotations

import griffe

from website.blocks import fenced

__all__ = ["Doctests"]


class Doctests(griffe.Extension):  # type: ignore[misc]  # untyped where the docs extra is not installed
    """Rewrites each docstring once, when it is loaded."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Rewrite the docstring of a module, class or function."""
        if obj.docstring is not None:
            obj.docstring.value = fenced(obj.docstring.value)
