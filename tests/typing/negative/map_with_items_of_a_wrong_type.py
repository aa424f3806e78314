"""Map with items of a wrong type."""

from __future__ import annotations

from tests.typing.shop import double

double.map(x=["1"])

# mypy     ok
# plugin   List item 0 has incompatible type "str"; expected "int"  [list-item]
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ok
# why      mypy, pyright, pyrefly, ty: without the plugin the names and types that `.partial` and `.map` take are open
