"""Partial leaves a value open: in a chain."""

from __future__ import annotations

from daglite import task
from tests.typing.shop import numbers


@task
def three(x: int, y: int, z: int) -> int:
    return x + y + z


numbers.iter(n=3).then(three.partial(x=1))

# mypy     ok
# plugin   Missing positional argument "z" in call to "then(three)"  [call-arg]
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ParameterError: `then` of task 'three' leaves 'z' without a value; fix it with `.partial` or give it as an extra
# why      mypy, pyright, pyrefly, ty: without the plugin the names and types that `.partial` and `.map` take are open
