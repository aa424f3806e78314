"""Run async tasks and async generators from plain code, on a private event loop.

The loop runs on the calling thread, or on a helper thread if the caller has a running loop already (a notebook).
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

from daglite.lazy import lazy
from daglite.task_context import calling_thread

if TYPE_CHECKING:
    import asyncio
    from concurrent import futures
else:
    asyncio, futures = lazy("asyncio"), lazy("concurrent.futures")


T = TypeVar("T")


class PrivateLoop:
    """An event loop that is made when first needed; close it when the run is over."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._helper: futures.ThreadPoolExecutor | None = None

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end and return its value; raises `RuntimeError` after `close`."""
        if self._closed:
            coroutine.close()
            raise RuntimeError("the run is over; nothing can be awaited any more")
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        if self._helper is None and _loop_is_running():
            self._helper = futures.ThreadPoolExecutor(1, thread_name_prefix="daglite-async")
        if self._helper is None:
            return _run_on(self._loop, self._loop.create_task(coroutine))
        task = self._helper.submit(self._loop.create_task, coroutine).result()
        running = self._helper.submit(_run_for, sys._getframe(), self._loop, task)
        try:
            return running.result()
        except BaseException:
            # Ctrl-C on this thread, while the coroutine still waits on the helper thread.
            self._loop.call_soon_threadsafe(task.cancel)
            with contextlib.suppress(BaseException):
                running.result()
            raise

    def iterate(self, items: AsyncIterator[T]) -> Iterator[T]:
        """Yield the items of an async iterator; closing this closes the async generator."""
        try:
            while True:
                try:
                    item = self.run(_next(items))
                except StopAsyncIteration:
                    return
                yield item
        finally:
            close = getattr(items, "aclose", None)
            # One that is collected after the run has no loop left to run on.
            if close is not None and not self._closed:
                self.run(close())

    def close(self) -> None:
        """Close the loop and its helper thread. The loop cannot be used again."""
        if self._loop is not None:
            self.run(self._loop.shutdown_asyncgens())
        self._closed = True
        if self._loop is not None:
            loop, self._loop = self._loop, None
            if self._helper is not None:
                self._helper.shutdown()
                self._helper = None
            loop.close()


def _run_on(loop: asyncio.AbstractEventLoop, task: asyncio.Task[T]) -> T:
    """Run a task to its end. When Ctrl-C interrupts it, cancel it and let its `finally` run before raising."""
    try:
        return loop.run_until_complete(task)
    except BaseException:
        if not task.done():
            task.cancel()
            with contextlib.suppress(BaseException):
                loop.run_until_complete(task)
        raise


def _run_for(caller: FrameType, loop: asyncio.AbstractEventLoop, task: asyncio.Task[T]) -> T:
    """Run a task on a helper thread for a caller that waits, whose current call is the one of this thread."""
    calling_thread.frame = caller
    try:
        return _run_on(loop, task)
    finally:
        del calling_thread.frame


async def _next(items: AsyncIterator[T]) -> T:
    return await anext(items)


def _loop_is_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
