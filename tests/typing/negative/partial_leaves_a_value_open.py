"""Partial leaves a value open."""

from __future__ import annotations

from tests.typing.shop import minus

minus.partial(a=1)()

# mypy     ok
# plugin   Missing positional argument "b" in call to "minus"  [call-arg]
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ParameterError: task 'minus': missing a required argument: 'b'; it takes 'b'
# why      mypy, pyright, pyrefly, ty: without the plugin the names and types that `.partial` and `.map` take are open
