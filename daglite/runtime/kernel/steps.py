"""Tasks bound to their arguments: the chain of calls that an item goes through."""

from __future__ import annotations

import copy
import functools
import inspect
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from typing import Any, Literal, cast

from daglite.codegen import LoopShape, filters_of, skips_of, spreading
from daglite.functions import Function, signature_of
from daglite.records import record
from daglite.runtime.kernel.event_loop import PrivateLoop
from daglite.runtime.kernel.fused_loop import FusedLoop, compile_loop
from daglite.runtime.kernel.retry import RetryTracker, wait_to_restart, with_async_retries, with_retries
from daglite.runtime.kernel.timers import StepTimer, timed

_NAMED = inspect.Parameter.POSITIONAL_OR_KEYWORD


@record(eq=True)
class _ItemSlot:
    """Stands in a list of arguments where an item goes."""

    position: int


@record
class BoundStep:
    """A step whose arguments are values: what travels to a worker.

    `items` are the parameters that the item fills: none (a call that takes nothing from the step before), one, or
    several (the item is a tuple). `tapped`: its result is wanted by the coordinator besides the last one. One that
    `filters` gives on the value before it, or nothing. A generator with a `limit` is closed when it has given so many.
    `starts`: it folds the results of a batch, from the first of the two values if that is the first batch, else from
    the second. `timed`: somebody wants to know its time. A generator that `spreads` gives its iterator, not a list.
    `seed` is that of the run, `step_id` tells the step from others in any form of the plan.
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


class StepChain:
    """Steps ready to be called one after the other."""

    def __init__(
        self,
        steps: Sequence[BoundStep],
        loop: PrivateLoop,
        announce: Callable[[int, float], None] | None = None,
        trials: RetryTracker | None = None,
    ) -> None:
        """`announce(step number, seconds)` is told when a call with a time limit begins; -1 when it is over."""
        self.steps = tuple(steps)
        self.trials = trials = trials or RetryTracker()
        self.folds = bool(steps) and steps[-1].starts is not None
        links = steps[:-1] if self.folds else steps
        # None, or one for each step.
        self.timers = tuple(StepTimer(step.number) for step in steps if step.timed)
        timers = self.timers or (None,) * len(steps)
        # One flat tuple for the inner loop: the call, whether its result is tapped, its number.
        self.calls = tuple(
            (_of_one_value(step, loop, announce, timer, trials), step.tapped, step.number)
            for step, timer in zip(links, timers, strict=False)
        )
        # The calls alone; how many of their results are tapped; whether items may end on the way.
        self.functions = [call for call, _, _ in self.calls]
        self.taps = sum([tapped for _, tapped, _ in self.calls])
        self.marks = any([step.drops for step in self.steps])
        fold = bind_step(steps[-1], loop, announce, trials=trials) if self.folds else None
        self._fold = None if fold is None else _clocked(fold, timers[-1])

    @functools.cached_property
    def loop(self) -> FusedLoop:
        """The loop that takes batches through: see `work`."""
        steps = self.steps
        end: Literal["fold", "cells"] = "fold" if self.folds else "cells"
        taps = tuple([tapped for _, tapped, _ in self.calls])
        return compile_loop(
            LoopShape(taps, end, filters=filters_of(steps), spreads=spreading(steps), skips=skips_of(steps))
        )

    def fold(self, first: int) -> tuple[Callable[..., Any], object]:
        """Of a chain that folds: the fold of a batch that begins with item `first`, and its own value to start from."""
        starts = self.steps[-1].starts
        assert self._fold is not None
        assert starts is not None
        return self._fold, copy.deepcopy(starts[0] if first == 0 else starts[1])

    def name_of(self, number: int) -> str:
        """The name of the task with this step number."""
        return next(step.function.name for step in self.steps if step.number == number)


def bind_step(
    step: BoundStep,
    loop: PrivateLoop,
    announce: Callable[[int, float], None] | None = None,
    timer: StepTimer | None = None,
    trials: RetryTracker | None = None,
) -> Callable[..., Any]:
    """A callable that takes the item (or items) and gives the step's value, with its retries.

    A generator gives the list of its items, an async function its awaited value.
    """
    call = filled(step)
    if step.spreads and step.function.streams:
        return _then(call, lambda made: _iterator(made, step, loop))
    match step.function.kind:
        case "plain":
            finished = call
        case "async":
            if step.function.tries and inspect.iscoroutinefunction(step.function.fn):
                awaited = with_async_retries(
                    step, _limited_await(step, call, announce), timer, trials or RetryTracker()
                )
                return lambda *values: loop.run(awaited(*values))
            # A wrapper may have awaited already: then there is nothing left to await.
            finished = _then(call, lambda value: loop.run(_awaited(value)) if inspect.isawaitable(value) else value)
        case "generator":
            finished = _then(call, lambda value: list(cast("Iterable[object]", value)))
        case "async_generator":
            finished = _then(call, lambda value: list(loop.iterate(cast("AsyncIterator[object]", value))))
    # The limit is one for each attempt.
    limited = _limited(step, finished, announce)
    return with_retries(step, limited, timer, trials or RetryTracker()) if step.function.tries else limited


def _of_one_value(
    step: BoundStep,
    loop: PrivateLoop,
    announce: Callable[[int, float], None] | None,
    timer: StepTimer | None,
    trials: RetryTracker,
) -> Callable[[Any], Any]:
    """The step as a function of the value before it: ignored, taken whole, or unpacked from a tuple."""
    call = _clocked(bind_step(step, loop, announce, timer, trials), timer)
    if len(step.items) == 1:
        return call
    return (lambda values: call(*values)) if step.items else (lambda _: call())


def _clocked(call: Callable[..., Any], timer: StepTimer | None) -> Callable[..., Any]:
    return call if timer is None else timed(call, timer)


def _limited(
    step: BoundStep, call: Callable[..., Any], announce: Callable[[int, float], None] | None
) -> Callable[..., Any]:
    seconds = step.function.timeout
    if seconds is None or announce is None:
        return call

    def limited(*values: object) -> object:
        announce(step.number, seconds)
        try:
            return call(*values)
        finally:
            announce(-1, 0.0)

    return limited


def open_items(step: BoundStep, loop: PrivateLoop, *, retry: bool = True) -> Iterator[object]:
    """The iterator of a generator step, not yet started; with `retry`, retries last until its first item is out."""
    call = filled(step)

    def opened() -> Iterator[object]:
        return _iterator(call(), step, loop)

    items = _restarting(opened, step) if retry and step.function.retries else opened()
    return items if step.limit is None else _first(items, step.limit)


def _iterator(made: object, step: BoundStep, loop: PrivateLoop) -> Iterator[object]:
    if step.function.kind == "async_generator":
        return loop.iterate(cast("AsyncIterator[object]", made))
    return iter(cast("Iterable[object]", made))


def _first(items: Iterator[object], count: int) -> Iterator[object]:
    """The first items; no more are asked for, and the generator is closed."""
    try:
        yield from itertools.islice(items, count)
    finally:
        _close(items)


def _close(items: object) -> None:
    close = getattr(items, "close", None)
    if close is not None:
        close()


def _restarting(opened: Callable[[], Iterator[object]], step: BoundStep) -> Iterator[object]:
    for attempt in itertools.count(1):
        items = opened()
        try:
            first = next(items)
        except StopIteration:
            return
        except Exception as error:
            if not wait_to_restart(step, error, attempt, RetryTracker()):
                raise
            continue
        try:
            yield first
            yield from items
        finally:
            _close(items)
        return


def _limited_await(
    step: BoundStep, call: Callable[..., Awaitable[object]], announce: Callable[[int, float], None] | None
) -> Callable[..., Coroutine[Any, Any, object]]:
    """An attempt at an async function, within its time limit."""
    seconds = step.function.timeout

    async def limited(*values: object) -> object:
        if seconds is None or announce is None:
            return await call(*values)
        announce(step.number, seconds)
        try:
            return await call(*values)
        finally:
            announce(-1, 0.0)

    return limited


async def _awaited(value: Awaitable[object]) -> object:
    return await value


def _then(call: Callable[..., Any], finish: Callable[[object], object]) -> Callable[..., Any]:
    return lambda *values: finish(call(*values))


def filled(step: BoundStep) -> Callable[..., Any]:
    """The function with its arguments filled in, open for one value for each of `step.items`, in their order."""
    fn = step.function.fn
    positional, keywords, named_items = _layout(step)
    if not named_items and positional == list(map(_ItemSlot, range(len(step.items)))):
        # The items are the first parameters, in order: nothing stands between the caller and the function.
        return functools.partial(fn, **keywords) if keywords else fn

    def call(*values: object) -> object:
        given = [values[one.position] if isinstance(one, _ItemSlot) else one for one in positional]
        return fn(*given, **keywords, **{name: values[position] for name, position in named_items})

    return call


def _layout(step: BoundStep) -> tuple[list[object], dict[str, object], list[tuple[str, int]]]:
    """What goes by position (items as `_ItemSlot`), what by keyword, and which items go by keyword."""
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
