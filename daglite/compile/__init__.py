"""compile: a pipeline of futures in, an immutable plan out. The package is callable: `daglite.compile(pipeline)`.

driver     the passes in order               rewrite          applies a rule over a graph, keeps the trace
rules/     one rewrite rule a file           lower            ir to flat numbered steps
check      what can never run                types            annotations of neighbours, on request
saves      saves move to what they save      limit_pushdown   a take becomes a limit of its source
"""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

from daglite.binding import Pipeline
from daglite.compile.driver import compile_program
from daglite.exceptions import ParameterError, TaskError
from daglite.functions import suggest
from daglite.options import RENAMED, Limits, check_count
from daglite.plan import Plan
from daglite.run_options import RunOptions

__all__ = ["compile"]

R = TypeVar("R")


def compile(
    pipeline: Pipeline[R],
    /,
    *,
    optimize: bool = True,
    max_in_flight: int | None = None,
    max_batch_size: int | None = None,
    max_in_flight_bytes: int | None = None,
    helper_thread: bool = True,
    check_types: bool = False,
) -> Plan[R]:
    """Turn a pipeline into an immutable plan; nothing of it runs.

    `optimize=False` skips the rewrite rules and nothing else. `max_in_flight` is the largest number of items between
    source and sink (default: 512 for each worker), `max_in_flight_bytes` the largest number of bytes of pickled items
    and results in flight (default: 64 MiB), `max_batch_size` the largest number of items in one message (default: 512).
    `helper_thread=False` keeps folds and saves on the thread of the caller, at the price of latency while the source
    waits. `check_types=True` compares the annotations of neighbouring tasks and raises `TaskError` where they clearly
    do not fit, for those who run no type checker.

    Raises `TaskError` when `pipeline` is not a future or can never run, `ParameterError` for option values that are not
    allowed.

    >>> from daglite import task
    >>> @task
    ... def double(x: int) -> int:
    ...     return x * 2
    >>> compile(double.map(x=[1, 2])).run(runtime="inline")
    [2, 4]
    """
    if not isinstance(pipeline, Pipeline):
        raise TaskError(f"`compile` needs a future; got {pipeline!r}; call a task, or use `.iter`, `.map`, `.then`")
    switches = {"optimize": optimize, "helper_thread": helper_thread, "check_types": check_types}
    for switch, asked in switches.items():
        if not isinstance(asked, bool):
            raise ParameterError(f"`{switch}` must be True or False; got {asked!r}")
    bounds = {
        "max_in_flight": max_in_flight,
        "max_batch_size": max_batch_size,
        "max_in_flight_bytes": max_in_flight_bytes,
    }
    given = {name: value for name, value in bounds.items() if value is not None}
    for name, value in given.items():
        check_count(name, value, least=1)
    limits = Limits(**given, helper_thread=helper_thread)
    kind = type(pipeline).__name__
    return Plan(compile_program(pipeline.node, kind, limits, optimize=optimize, typed=check_types))


def _refuse_unknown_options(compile: Callable[..., object]) -> Callable[..., object]:
    """Wrap `compile`, so that an unknown option raises `ParameterError` with the known ones."""
    known = [p.name for p in inspect.signature(compile).parameters.values() if p.kind is p.KEYWORD_ONLY]

    @functools.wraps(compile)
    def checked(*pipeline: object, **options: object) -> object:
        for name in options:
            if name in RunOptions.__annotations__:
                raise ParameterError(f"'{name}' is an option of a run: write `compile(...).run({name}=...)`")
            if name in RENAMED:
                raise ParameterError(f"option '{name}' of `compile` is now called '{RENAMED[name]}'")
            if name not in known:
                raise ParameterError(
                    f"`compile` has no option '{name}'; it has {', '.join(known)}{suggest(name, known)}"
                )
        return compile(*pipeline, **options)

    return checked


if not TYPE_CHECKING:
    compile = _refuse_unknown_options(compile)


class _CallableModule(ModuleType):
    """A module that can be called: `daglite.compile` is the function and the package."""

    __call__ = staticmethod(compile)
    # Of an object with a `__call__`, Python 3.11 and 3.12 would show a signature without the first parameter.
    __signature__ = inspect.signature(compile)

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return importlib.import_module, (self.__name__,)


sys.modules[__name__].__class__ = _CallableModule
