"""Keyword mappings with a type."""

from __future__ import annotations

from typing import TypedDict, Unpack, assert_type

from daglite import MapTaskFuture, TaskFuture, task


class Options(TypedDict, total=False):
    a: int
    b: str


@task
def opted(x: int, **options: Unpack[Options]) -> int:
    return x


assert_type(opted(x=1, a=2), TaskFuture[int])
assert_type(opted.partial(a=2)(x=1), TaskFuture[int])
assert_type(opted.map(x=[1], a=[2]), MapTaskFuture[int])

# mypy     ok
# plugin   ok
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ok
