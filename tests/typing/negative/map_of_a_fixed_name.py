"""Map of a fixed name."""

from __future__ import annotations

from tests.typing.shop import scale

scale.partial(factor=2.0).map(x=[1.0], factor=[2.0])

# mypy     ok
# plugin   Task "scale" takes no "factor" here, it takes "x"; what ".partial" has fixed cannot be given again  [call-arg]
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ParameterError: task 'scale': parameter 'factor' is bound twice; it is already fixed by `.partial`
# why      mypy, pyright, pyrefly, ty: without the plugin the names and types that `.partial` and `.map` take are open
