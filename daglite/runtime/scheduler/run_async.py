"""Run a program on a thread of its own, to be awaited; cancelling it ends the run, and waits only a few seconds.

The thread is not one of the event loop's pool: the loop and the interpreter would wait for those at their end.
"""

from __future__ import annotations

import contextlib
import contextvars
import logging
import threading
from typing import TYPE_CHECKING, Final

from daglite.lazy import lazy
from daglite.runtime.kernel.errors import Cancelled
from daglite.runtime.scheduler.execution import Execution

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = lazy("asyncio")


# How long, in seconds, to wait for the end of a cancelled run: the user's own code cannot be interrupted.
END_TIMEOUT: Final = 2.0

_log = logging.getLogger("daglite")


Outcome = tuple[object, BaseException | None]


async def run_in_thread(execution: Execution) -> object:
    """Return the value of a run. Cancelling ends the run, and waits up to `END_TIMEOUT` seconds for that."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    # A list, as a future does not take a StopIteration.
    outcomes: list[Outcome] = []

    def run() -> None:
        try:
            with execution:
                outcomes.append((execution.run(), None))
        except BaseException as error:
            outcomes.append((None, error))
        # The loop is closed if the run is not awaited any more.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(done.set)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run,), name="daglite-run", daemon=True).start()
    try:
        await done.wait()
    except asyncio.CancelledError:
        execution.cancel()
        await _wait_for_end(done)
        error = outcomes.pop()[1] if outcomes else None
        if error is None or isinstance(error, Cancelled):
            raise
    else:
        value, error = outcomes.pop()
        if error is None:
            return value
    try:
        raise error
    finally:
        # Its traceback refers to this frame, which must not refer to the error.
        del error


async def _wait_for_end(done: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(END_TIMEOUT):
            await done.wait()
    except TimeoutError:
        _log.warning(
            "a cancelled run does not end: its source, fold, join or save does not return, or on `inline` a task; "
            "it is not waited for any more, and ends when that returns"
        )
