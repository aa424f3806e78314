"""A run on a thread of its own, awaited: whoever awaits it may go away, and does not wait for ever.

The thread is none of the event loop's: the end of the loop, and that of the interpreter, would wait for those.
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


# How long, in seconds, a cancelled run is waited for: what is in the user's own code cannot be interrupted.
POLL_TIMEOUT: Final = 2.0

_log = logging.getLogger("daglite")


Outcome = tuple[object, BaseException | None]


async def run_aside(execution: Execution) -> object:
    """The value of a run. Cancelling ends it and waits for its end, but not for long."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    # Not in a future, which takes no StopIteration.
    outcomes: list[Outcome] = []

    def go() -> None:
        outcomes.append(_outcome(execution))
        # Nobody waits any more, and the loop is closed.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(done.set)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(go,), name="daglite-run", daemon=True).start()
    try:
        await done.wait()
    except asyncio.CancelledError:
        execution.cancel()
        await _ended(done)
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
        # Its traceback holds this frame, which must not hold it.
        del error


def _outcome(execution: Execution) -> Outcome:
    try:
        with execution:
            return execution.run(), None
    except BaseException as error:
        return None, error


async def _ended(done: asyncio.Event) -> None:
    """Wait for the end of a cancelled run, but not for long."""
    try:
        async with asyncio.timeout(POLL_TIMEOUT):
            await done.wait()
    except TimeoutError:
        _log.warning(
            "a cancelled run does not end: its source, fold, join or save does not return, or on `inline` a task; "
            "nobody waits for it any more, and it ends when that returns"
        )
