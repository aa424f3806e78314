"""Partial with a wrong type: a future."""

from __future__ import annotations

from tests.typing.shop import scale, upper

scale.partial(factor=upper(text="a"))

# mypy     ok
# plugin   Argument "factor" to "scale.partial" has incompatible type "TaskFuture[str]"; expected "float | Future[float]"  [arg-type]
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ok
# why      mypy, pyright, pyrefly, ty: without the plugin the names and types that `.partial` and `.map` take are open
