"""Map of nothing."""

from __future__ import annotations

from tests.typing.shop import label

label.partial(value=1.0).map()

# mypy     ok
# plugin   "map" of task "label" needs at least one mapped parameter  [call-arg]
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ParameterError: `map` of task 'label' needs at least one mapped parameter
# why      mypy, pyright, pyrefly, ty: without the plugin the names and types that `.partial` and `.map` take are open
