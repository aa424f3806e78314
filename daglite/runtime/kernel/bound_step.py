"""Bind the arguments of a step to values: what is sent to workers, and the call that it makes there."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from daglite.functions import Function, signature_of
from daglite.records import record

_NAMED = inspect.Parameter.POSITIONAL_OR_KEYWORD


@record(eq=True)
class _ItemSlot:
    """Mark the place of an item in a list of arguments."""

    position: int


@record
class BoundStep:
    """A step whose arguments are values.

    `items` are the parameters that the item fills: none (the call takes nothing from the step before), one, or several
    (the item is a tuple). `tapped`: the coordinator needs its result besides the last one, to save it. A step that
    `filters` passes on the value before it, or nothing. A generator with a `limit` is closed after that many items.
    `starts`: the step folds the results of a batch, from the first of the two values for the first batch, else from
    the second. `timed`: an observer asks for its time. A generator that `spreads` gives its iterator, not a list.
    `seed` is the seed of the run; `step_id` identifies the step in any form of the plan.
    """

    number: int
    function: Function
    arguments: tuple[tuple[str, object], ...]
    items: tuple[str, ...]
    filters: bool = False
    tapped: bool = False
    starts: tuple[object, object] | None = None
    timed: bool = False
    limit: int | None = None
    spreads: bool = False
    seed: int = 0
    step_id: int = 0

    @property
    def drops(self) -> bool:
        """Whether items may end here."""
        return self.filters or self.function.skips


def bind_arguments(step: BoundStep) -> Callable[..., Any]:
    """Return the function with its arguments filled in; it takes one value for each of `step.items`, in their order."""
    fn = step.function.fn
    positional, keywords, named_items = _layout(step)
    if not named_items and positional == list(map(_ItemSlot, range(len(step.items)))):
        # The items are the first parameters, in order: the function is called without a wrapper.
        return functools.partial(fn, **keywords) if keywords else fn

    def call(*values: object) -> object:
        arguments = [values[one.position] if isinstance(one, _ItemSlot) else one for one in positional]
        return fn(*arguments, **keywords, **{name: values[position] for name, position in named_items})

    return call


def _layout(step: BoundStep) -> tuple[list[object], dict[str, object], list[tuple[str, int]]]:
    """Return the arguments by position (items as `_ItemSlot`), those by keyword, and the items by keyword."""
    known: dict[str, object] = {name: _ItemSlot(position) for position, name in enumerate(step.items)}
    known.update(step.arguments)
    starred = sorted((name for name in known if name.startswith("*")), key=lambda name: int(name[1:]))
    extras = [known[name] for name in starred]
    positional: list[object] = []
    leading = True
    for parameter in signature_of(step.function).parameters.values():
        name, kind = parameter.name, parameter.kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            positional.extend(extras)
        elif kind is inspect.Parameter.POSITIONAL_ONLY or (kind is _NAMED and extras):
            # These cannot be skipped: a parameter without a value takes its default by position.
            if name in known or parameter.default is not inspect.Parameter.empty:
                positional.append(known.pop(name, parameter.default))
        elif kind is _NAMED and leading and isinstance(known.get(name), _ItemSlot):
            positional.append(known.pop(name))
        else:
            leading = False
    named = {name: value for name, value in known.items() if not name.startswith("*")}
    items = [(name, value.position) for name, value in named.items() if isinstance(value, _ItemSlot)]
    return positional, {name: value for name, value in named.items() if not isinstance(value, _ItemSlot)}, items
