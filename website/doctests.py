"""For the reference: examples in docstrings (`>>>`) become blocks of code, for in Markdown they would be quotations."""

from __future__ import annotations

import griffe

from website.blocks import fenced

__all__ = ["Doctests"]


class Doctests(griffe.Extension):  # type: ignore[misc]  # not looked into: the docs extra need not be installed
    """Looks at each docstring once, when it is loaded."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Rewrite the docstring of a module, class or function."""
        if obj.docstring is not None:
            obj.docstring.value = fenced(obj.docstring.value)
