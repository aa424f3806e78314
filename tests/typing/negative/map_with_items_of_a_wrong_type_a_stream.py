"""Map with items of a wrong type: a stream."""

from __future__ import annotations

from tests.typing.shop import double, words

double.map(x=words.iter(text="a b"))

# mypy     ok
# plugin   Argument "x" to "double.map" has incompatible type "IterFuture[str]"; expected "Iterable[int] | Future[Iterable[int]]"  [arg-type]
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ok
# why      mypy, pyright, pyrefly, ty: without the plugin the names and types that `.partial` and `.map` take are open
