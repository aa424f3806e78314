"""What becomes of a copy of this process that a coroutine forks: it goes on until it would wait, and ends there.

The event loop stays with the parent. Its selector is one and the same in both processes, and in the copy every other
coroutine on the loop would go on a second time.
"""

from __future__ import annotations

import os
import threading
import types
from collections.abc import Coroutine, Generator
from typing import Any

from daglite.runtime.engines.processes.fork import end_copy

# In a thread with an event loop of tasks: whether this is a copy.
_here = threading.local()


def loop_of_tasks_begins() -> None:
    """From now on copies that this thread forks are known as such."""
    _here.copied = False


@types.coroutine
def until_a_copy_waits(task: str, coroutine: Coroutine[Any, Any, object]) -> Generator[Any, None, object]:
    """A coroutine of a task; a copy of the process that it forks ends with it, or where it would wait."""
    thrown: BaseException | None = None
    while True:
        try:
            wanted = coroutine.send(None) if thrown is None else coroutine.throw(thrown)
        except StopIteration as end:
            if _here.copied:
                end_copy(None)
            return end.value
        except BaseException as error:
            if _here.copied:
                end_copy(error)
            raise
        finally:
            thrown = None
        if _here.copied:
            end_copy(
                RuntimeError(
                    f"task '{task}' forked, and the copy cannot await anything: the event loop is that of its parent; "
                    "end it with os._exit, or fork in a task that is no coroutine"
                )
            )
        try:
            yield wanted
        except BaseException as error:
            thrown = error


def _mark() -> None:
    if hasattr(_here, "copied"):
        _here.copied = True


os.register_at_fork(after_in_child=_mark)
