"""Map without a value."""

from __future__ import annotations

from tests.typing.shop import minus

minus.map(a=[1])

# mypy     ok
# plugin   Missing named argument "b" for "minus.map"  [call-arg]
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ParameterError: `map` of task 'minus' leaves 'b' without a value; fix it with `.partial` or give it as an extra
# why      mypy, pyright, pyrefly, ty: without the plugin the names and types that `.partial` and `.map` take are open
