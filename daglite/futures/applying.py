"""Checks of the tasks that are given to methods of futures."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence

from daglite.binding import (
    Bindable,
    bind_items,
    check_named,
    fix,
    refuse_futures_in,
    refuse_on_error,
    require_task,
)
from daglite.exceptions import ParameterError, TaskError
from daglite.functions import Function, free_parameters
from daglite.ir.nodes import (
    Binding,
    Call,
    CompositeMapTaskNode,
    CompositeTaskNode,
    Node,
    SaveNode,
    TakeNode,
    TaskNode,
    items_of,
)


def call_with_value(node: Node, task: object, args: tuple[object, ...], kwargs: dict[str, object]) -> TaskNode:
    """Return the call of a task with the value of a node, which fills the first parameter that is free."""
    found = task_of(task, "then")
    refuse_on_error(found.function, "then", "a single value cannot be left out", handler=True)
    call, items = bind_items(found, "then", 1, args, kwargs)
    return TaskNode(Call(call.function, call.fixed, (Binding(items[0], node), *call.bound)))


def requires_task(method: Callable[..., object]) -> Callable[..., object]:
    """Wrap a chaining method, so that a missing task raises `ParameterError` with what to write."""
    name = method.__name__

    @functools.wraps(method)
    def checked(future: object, /, *given: object, **extras: object) -> object:
        if not given:
            raise ParameterError(f"`{name}` needs a task, first and without a name: write .{name}(task)")
        return method(future, *given, **extras)

    return checked


def task_of(given: object, method: str) -> Bindable:
    """Return the task, also of `functools.partial(task, ...)`; its values are fixed in the order of the parameters."""
    if not isinstance(given, functools.partial) or not isinstance(inner := _unpartial(given), Bindable):
        return require_task(given, method)
    names = free_parameters(inner.function, [*(b.name for b in inner.fixed), *given.keywords])
    if len(given.args) > len(names):
        raise ParameterError(
            f"functools.partial gives {len(given.args)} values to task '{inner.function.name}', "
            f"which takes {len(names)}"
        )
    named = dict(zip(names, given.args, strict=False)) | given.keywords
    return Bindable(inner.function, fix(inner, named))


def bind_in_coordinator(
    given: object, method: str, what: str, args: Sequence[object] = (), extras: Mapping[str, object] | None = None
) -> tuple[Call, tuple[str, ...]]:
    """Bind a task that runs in the coordinator, and returns `what` for each item."""
    found = task_of(given, method)
    if found.function.streams:
        raise TaskError(
            f"`{method}` needs a task that returns {what}; '{found.function.name}' is a generator, which gives a list; "
            f"give a task that returns {what}"
        )
    refuse_worker_options(found.function, method)
    refuse_on_error(found.function, method, f"there must be {what} for each item")
    return bind_items(found, method, 1, args, extras or {})


def bind_fold(given: object, method: str, **accumulators: object) -> tuple[Call, tuple[str, ...]]:
    """Bind a task that folds in the coordinator: items fill its first two parameters, the accumulator and the item.

    `accumulators` are the options of the method that hold one; they may not hold futures inside.
    """
    found = task_of(given, method)
    refuse_worker_options(found.function, method)
    refuse_on_error(found.function, method, "the accumulator may have been changed already")
    for option, value in accumulators.items():
        where = f"`{option}` of `{method}` with task '{found.function.name}'"
        refuse_futures_in(value, where, "make it in a task, and give the call of that")
    return bind_items(found, method, 2, (), {})


def refuse_worker_options(function: Function, method: str) -> None:
    """Raise `ParameterError` for options that a task cannot keep in the coordinator."""
    if asked := function.wants_worker:
        raise ParameterError(
            f"task '{function.name}' has {asked}, which `{method}` cannot keep: "
            "it runs in the coordinator; set them on the tasks before it"
        )


def requires_initial(method: Callable[..., object]) -> Callable[..., object]:
    """Wrap a folding method, so that missing and misspelt arguments raise `ParameterError` with what to write."""
    name = method.__name__
    known = [p.name for p in inspect.signature(method).parameters.values() if p.kind is p.KEYWORD_ONLY]

    @functools.wraps(method)
    def checked(stream: object, /, *given: object, **options: object) -> object:
        if not given:
            raise ParameterError(f"`{name}` needs a task, first and without a name: write .{name}(task, initial=...)")
        task = task_of(given[0], name)
        check_named(name, task, known, given[1:], options)
        if "initial" not in options:
            raise ParameterError(
                f"`{name}` needs `initial`; got none for task '{task.function.name}': "
                f"write .{name}({task.function.name}, initial=...), the accumulator before the first item"
            )
        return method(stream, *given, **options)

    return checked


def is_task(given: object) -> bool:
    """Return whether this is a task, or a `functools.partial` of one."""
    return isinstance(given, Bindable) or (
        isinstance(given, functools.partial) and isinstance(_unpartial(given), Bindable)
    )


def call_of(node: Node) -> tuple[Call, tuple[str, ...]]:
    """Return the call of the node of a future, and its parameters that items fill."""
    while isinstance(node, SaveNode | TakeNode):
        node = node.source
    if isinstance(node, CompositeMapTaskNode | CompositeTaskNode):
        raise TypeError(f"{type(node).__name__} is made by compile, never held by a future")
    return node.call, items_of(node)


def _unpartial(given: functools.partial[object]) -> object:
    return inspect.unwrap(given.func, stop=lambda one: isinstance(one, Bindable))
