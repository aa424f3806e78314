"""Partial fixes twice: then iter."""

from __future__ import annotations

from tests.typing.shop import words

words.partial(text="a b").iter(text="c")

# mypy     ok
# plugin   Task "words" takes no "text" here, it takes "limit"; what ".partial" has fixed cannot be given again  [call-arg]
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ParameterError: task 'words': parameter 'text' is bound twice; it is already fixed by `.partial`
# why      mypy, pyright, pyrefly, ty: without the plugin the names and types that `.partial` and `.map` take are open
