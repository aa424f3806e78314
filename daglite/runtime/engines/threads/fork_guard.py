"""Ends a copy of this process that a coroutine has forked, at the first await in the copy.

The event loop stays with the parent: both processes share its selector, and in the copy every other coroutine on the
loop would run a second time.
"""

from __future__ import annotations

import os
import threading
import types
from collections.abc import Coroutine, Generator
from typing import Any

from daglite.runtime.engines.processes.fork import end_copy

# `copied`, set in guarded threads only: whether the current process is a copy.
_guarded = threading.local()


def guard_this_thread() -> None:
    """Recognise copies of the process that this thread forks from now on."""
    _guarded.copied = False


@types.coroutine
def end_copy_at_await(task: str, coroutine: Coroutine[Any, Any, object]) -> Generator[Any, None, object]:
    """Await a coroutine of a task. A copy of the process that it forks ends with it, or where it would wait."""
    thrown: BaseException | None = None
    while True:
        try:
            wanted = coroutine.send(None) if thrown is None else coroutine.throw(thrown)
        except StopIteration as end:
            if _guarded.copied:
                end_copy(None)
            return end.value
        except BaseException as error:
            if _guarded.copied:
                end_copy(error)
            raise
        finally:
            thrown = None
        if _guarded.copied:
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


def _mark_copy() -> None:
    if hasattr(_guarded, "copied"):
        _guarded.copied = True


os.register_at_fork(after_in_child=_mark_copy)
