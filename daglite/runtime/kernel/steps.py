"""Chain bound steps into calls, each with its retries, time limit and timer."""

from __future__ import annotations

import copy
import functools
import inspect
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from typing import Any, Literal, TypeAlias, cast

from daglite.codegen import LoopShape, filters_of, skips_of, spreading
from daglite.runtime.kernel.bound_step import BoundStep, bind_arguments
from daglite.runtime.kernel.event_loop import PrivateLoop
from daglite.runtime.kernel.fused_loop import FusedLoop, compile_loop
from daglite.runtime.kernel.retry import RetryTracker, wait_to_restart, with_async_retries, with_retries
from daglite.runtime.kernel.timers import StepTimer, timed

# Is called with the number of a step and its time limit when a limited call begins, with -1 when it is over.
Announce: TypeAlias = Callable[[int, float], None]


class StepChain:
    """Steps ready to be called one after the other. If the last one folds, the others are its `calls`."""

    def __init__(
        self,
        steps: Sequence[BoundStep],
        event_loop: PrivateLoop,
        announce: Announce | None = None,
        retry_tracker: RetryTracker | None = None,
    ) -> None:
        self.steps = tuple(steps)
        self.event_loop = event_loop
        self.announce = announce
        self.retry_tracker = retry_tracker = retry_tracker or RetryTracker()
        self.folds = bool(steps) and steps[-1].starts is not None
        links = steps[:-1] if self.folds else steps
        # None, or one for each step.
        self.timers = tuple(StepTimer(step.number) for step in steps if step.timed)
        timers = self.timers or (None,) * len(steps)
        self.calls = [
            _of_one_value(step, event_loop, announce, timer, retry_tracker)
            for step, timer in zip(links, timers, strict=False)
        ]
        self.taps = tuple([step.tapped for step in links])
        # Whether items may end on the way, so that results need counts.
        self.drops = any([step.drops for step in steps])
        fold = bind_step(steps[-1], event_loop, announce, retry_tracker=retry_tracker) if self.folds else None
        self._fold = None if fold is None else _timed(fold, timers[-1])

    @functools.cached_property
    def loop(self) -> FusedLoop:
        """The loop that takes batches through the steps."""
        steps = self.steps
        end: Literal["fold", "cells"] = "fold" if self.folds else "cells"
        return compile_loop(
            LoopShape(self.taps, end, filters=filters_of(steps), spreads=spreading(steps), skips=skips_of(steps))
        )

    def fold(self, first: int) -> tuple[Callable[..., Any], object]:
        """Return the fold of a batch that begins with the item `first`, and a copy of the value it starts from."""
        starts = self.steps[-1].starts
        assert self._fold is not None
        assert starts is not None
        return self._fold, copy.deepcopy(starts[0] if first == 0 else starts[1])


def bind_step(
    step: BoundStep,
    event_loop: PrivateLoop,
    announce: Announce | None = None,
    timer: StepTimer | None = None,
    retry_tracker: RetryTracker | None = None,
) -> Callable[..., Any]:
    """Return a callable that takes the item (or items) and returns the value of the step, with its retries.

    The value of a generator is the list of its items, that of an async function its awaited value.
    """
    call, retry_tracker = bind_arguments(step), retry_tracker or RetryTracker()
    if step.spreads and step.function.streams:
        return _then(call, lambda made: _iterator(made, step, event_loop))
    match step.function.kind:
        case "plain":
            finished = call
        case "async":
            if step.function.tries and inspect.iscoroutinefunction(step.function.fn):
                awaited = with_async_retries(step, _limited_await(step, call, announce), timer, retry_tracker)
                return lambda *values: event_loop.run(awaited(*values))
            # A wrapper may have awaited already: then there is nothing left to await.
            finished = _then(
                call, lambda value: event_loop.run(_awaited(value)) if inspect.isawaitable(value) else value
            )
        case "generator":
            finished = _then(call, lambda value: list(cast("Iterable[object]", value)))
        case "async_generator":
            finished = _then(call, lambda value: list(event_loop.iterate(cast("AsyncIterator[object]", value))))
    # The limit is one for each attempt.
    limited = _limited(step, finished, announce)
    return with_retries(step, limited, timer, retry_tracker) if step.function.tries else limited


def _of_one_value(
    step: BoundStep,
    event_loop: PrivateLoop,
    announce: Announce | None,
    timer: StepTimer | None,
    retry_tracker: RetryTracker,
) -> Callable[[Any], Any]:
    """Return the step as a function of the value before it: ignored, taken whole, or unpacked from a tuple."""
    call = _timed(bind_step(step, event_loop, announce, timer, retry_tracker), timer)
    if len(step.items) == 1:
        return call
    return (lambda values: call(*values)) if step.items else (lambda _: call())


def _timed(call: Callable[..., Any], timer: StepTimer | None) -> Callable[..., Any]:
    return call if timer is None else timed(call, timer)


def _limited(step: BoundStep, call: Callable[..., Any], announce: Announce | None) -> Callable[..., Any]:
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


def _limited_await(
    step: BoundStep, call: Callable[..., Awaitable[object]], announce: Announce | None
) -> Callable[..., Coroutine[Any, Any, object]]:
    """Return one attempt at an async function, within its time limit."""
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


def open_items(step: BoundStep, event_loop: PrivateLoop, *, retry: bool = True) -> Iterator[object]:
    """Return the iterator of a generator step, not yet started; with `retry` it restarts until its first item."""
    call = bind_arguments(step)

    def opened() -> Iterator[object]:
        return _iterator(call(), step, event_loop)

    items = _restarting(opened, step) if retry and step.function.retries else opened()
    return items if step.limit is None else _first(items, step.limit)


def _iterator(made: object, step: BoundStep, event_loop: PrivateLoop) -> Iterator[object]:
    if step.function.kind == "async_generator":
        return event_loop.iterate(cast("AsyncIterator[object]", made))
    return iter(cast("Iterable[object]", made))


def _first(items: Iterator[object], count: int) -> Iterator[object]:
    """Yield the first items, then close the generator without asking for more."""
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
