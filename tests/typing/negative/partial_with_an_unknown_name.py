"""Partial with an unknown name."""

from __future__ import annotations

from tests.typing.shop import scale

scale.partial(fcator=2.0)

# mypy     ok
# plugin   Unexpected keyword argument "fcator" for "scale.partial"; did you mean "factor"?  [call-arg]
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ParameterError: task 'scale' has no parameter 'fcator'; it takes 'x', 'factor'; did you mean 'factor'?
# why      mypy, pyright, pyrefly, ty: without the plugin the names and types that `.partial` and `.map` take are open
