"""Chain of an item into the wrong parameter: after partial."""

from __future__ import annotations

from tests.typing.shop import numbers, prefixed

numbers.iter(n=3).then(prefixed.partial(x=1))

# mypy     ok
# plugin   "then" gives "int" to parameter "prefix" of task "prefixed", which takes "str"  [arg-type]
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ok
# why      mypy, pyright, pyrefly, ty: without the plugin the names and types that `.partial` and `.map` take are open
