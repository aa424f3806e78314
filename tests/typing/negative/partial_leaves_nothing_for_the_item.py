"""Partial leaves nothing for the item."""

from __future__ import annotations

from tests.typing.shop import double, numbers

numbers.iter(n=3).then(double.partial(x=1))

# mypy     ok
# plugin   "then" needs a parameter of task "double" that nothing else fills; it has none  [call-arg]
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ParameterError: `then` needs a parameter of task 'double' that nothing else fills; free: none
# why      mypy, pyright, pyrefly, ty: without the plugin the names and types that `.partial` and `.map` take are open
