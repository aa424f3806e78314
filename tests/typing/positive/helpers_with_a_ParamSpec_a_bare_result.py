"""Helpers with a ParamSpec: a bare result."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, assert_type

from daglite import Task, TaskFuture, task

P = ParamSpec("P")
R = TypeVar("R")


def made(fn: Callable[P, R]) -> Task[P, R]:
    return task(fn)


def plain(x: int, by: float = 1.0) -> str:
    return str(x * by)


assert_type(made(plain)(x=1), TaskFuture[str])

# mypy     ok
# plugin   ok
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ok
