"""Partial with a wrong type."""

from __future__ import annotations

from tests.typing.shop import scale

scale.partial(factor="2")

# mypy     ok
# plugin   Argument "factor" to "scale.partial" has incompatible type "str"; expected "float | Future[float]"  [arg-type]
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ok
# why      mypy, pyright, pyrefly, ty: without the plugin the names and types that `.partial` and `.map` take are open
