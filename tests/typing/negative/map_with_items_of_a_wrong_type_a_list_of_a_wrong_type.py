"""Map with items of a wrong type: a list of a wrong type."""

from __future__ import annotations

from tests.typing.shop import listing, upper

upper.map(text=listing(n=3))

# mypy     ok
# plugin   Argument "text" to "upper.map" has incompatible type "TaskFuture[list[int]]"; expected "Iterable[str] | Future[Iterable[str]]"  [arg-type]
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ok
# why      mypy, pyright, pyrefly, ty: without the plugin the names and types that `.partial` and `.map` take are open
