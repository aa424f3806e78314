"""Map of a stream with others."""

from __future__ import annotations

from tests.typing.shop import minus, numbers

minus.map(a=numbers.iter(n=3), b=[1, 2])

# mypy     ok
# plugin   "map" of task "minus": "a" is an ".iter()" stream and must be the only mapped parameter; got "a", "b"; use ".then(task, extra=...)" or map over a list  [arg-type]
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ParameterError: `map` of task 'minus': 'a' is an `.iter()` stream and must be the only mapped parameter; got 'a', 'b'; use `.then(task, extra=...)` or map over a list
# why      mypy, pyright, pyrefly, ty: without the plugin the names and types that `.partial` and `.map` take are open
