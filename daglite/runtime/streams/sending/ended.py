"""Attempts that ended with their worker: a call over its time limit, or a worker that died. Pure; and what is said."""

from __future__ import annotations

import signal

from daglite.exceptions import TaskTimeoutError, WorkerDiedError
from daglite.functions import Function
from daglite.runtime.executor import Reply
from daglite.runtime.trying import Spent

__all__ = ["died", "overdue", "spent_on", "with_spent"]


def spent_on(reply: Reply, function: Function) -> Spent | None:
    """What an "overdue" reply says of the attempts at its item; None where it ends the run."""
    retry = function.retry
    if reply.attempt <= function.retries and (retry is None or issubclass(TaskTimeoutError, retry.on)):
        return Spent(reply.step, reply.attempt)
    return None if function.on_error == "raise" else Spent(reply.step, reply.attempt, str(overdue(function, reply)))


def with_spent(before: tuple[Spent, ...], now: Spent | None) -> tuple[Spent, ...]:
    """What is known of an item: the latest of each step."""
    return before if now is None else (*(one for one in before if one.step != now.step), now)


def overdue(function: Function, reply: Reply) -> TaskTimeoutError:
    """The error for a call that took longer than its task allows."""
    what = reply.hint or "its worker was killed"
    return TaskTimeoutError(f"task '{function.name}' took longer than its `timeout` of {function.timeout:g} s; {what}")


def died(task: str, what: str, reply: Reply, attempt: int) -> WorkerDiedError:
    """The error for work whose worker ended under it too often."""
    times = "once" if attempt == 1 else f"{attempt} times"
    hint = f"; {reply.hint}" if reply.hint else ""
    return WorkerDiedError(
        f"the worker ended ({_exit_text(reply.exitcode)}) while it ran task '{task}' on {what}; started {times}{hint}"
    )


def _exit_text(exitcode: int | None) -> str:
    if exitcode is None:
        return "exit code unknown"
    if exitcode >= 0:
        return f"exit code {exitcode}"
    try:
        return f"signal {signal.Signals(-exitcode).name}"
    except ValueError:
        return f"signal {-exitcode}"
