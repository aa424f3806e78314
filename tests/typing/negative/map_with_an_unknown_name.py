"""Map with an unknown name."""

from __future__ import annotations

from tests.typing.shop import double

double.map(y=[1])

# mypy     ok
# plugin   Unexpected keyword argument "y" for "double.map"  [call-arg]
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ParameterError: task 'double' has no parameter 'y'; it takes 'x'
# why      mypy, pyright, pyrefly, ty: without the plugin the names and types that `.partial` and `.map` take are open
