"""What the tests of tokens share."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

from daglite.functions import Function, describe

__all__ = ["adder", "define", "record"]


def define(source: str, *, file: str = "one.py", line: int = 1) -> Callable[..., object]:
    """The function `f` of `source`, as if it stood in `file` at `line`."""
    space: dict[str, Callable[..., object]] = {}
    exec(compile("\n" * (line - 1) + textwrap.dedent(source), file, "exec", dont_inherit=True), {}, space)
    return space["f"]


def record(fn: Callable[..., object], *, name: str = "f", retries: int = 0) -> Function:
    return describe(fn, name=name, retries=retries)


def adder(step: object) -> Callable[[object], object]:
    return lambda x: (x, step)
