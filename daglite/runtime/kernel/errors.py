"""Attach the facts of a failure to an error, and write them into its notes."""

from __future__ import annotations

import contextlib
import reprlib
from collections.abc import Sequence
from typing import NoReturn

from daglite.exceptions import ExecutionError, Failure, TaskFailedError, attach_failure, failure_of
from daglite.functions import Function
from daglite.program import CallStage, MaterialiseStage, Stage, StageResult
from daglite.runtime.serialization.batch_format import text_of

_ATTEMPTS = "__daglite_attempts__"

_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = 160
_REPR.maxdict = _REPR.maxlist = _REPR.maxtuple = 8
_MAX_LENGTH = 200


class Cancelled(ExecutionError):
    """The run was cancelled from outside."""


def short_repr(item: object) -> str:
    """Return a shortened `repr`; never raises."""
    try:
        text = _REPR.repr(item)
    except BaseException as error:
        text = f"<{type(item).__name__}, whose repr raises {type(error).__name__}>"
    return text if len(text) <= _MAX_LENGTH else text[: _MAX_LENGTH - 3] + "..."


def note_attempts(error: BaseException, attempts: int) -> None:
    """Note on an error how many attempts it took, where the options of its task do not tell."""
    with contextlib.suppress(Exception):
        setattr(error, _ATTEMPTS, attempts)


def attempts_of(function: Function, error: BaseException) -> int:
    """Return the number of attempts of a function that failed with this error."""
    noted: object = getattr(error, _ATTEMPTS, None)
    if isinstance(noted, int):
        return noted
    return function.retries + 1 if isinstance(error, Exception) and not isinstance(error, ExecutionError) else 1


def attach_facts(error: BaseException, failure: Failure) -> BaseException:
    """Attach the facts to an error and add them to its notes; an error that has facts already keeps them."""
    if failure_of(error) is not None:
        return error
    # The user's exception class may refuse attributes or notes: the error is then raised as it is.
    with contextlib.suppress(Exception):
        attach_failure(error, failure)
        error.add_note(f"daglite: {_facts(failure)}")
        if failure.traceback and not _shows(error, failure.traceback):
            error.add_note(f"traceback in the worker:\n{failure.traceback.rstrip()}")
    return error


def _shows(error: BaseException, trace: str) -> bool:
    """Return whether a printed error shows the frames of the worker anyway: as its own, or in its message."""
    raised = error.__cause__ if isinstance(error, TaskFailedError) and error.__cause__ is not None else error
    return raised.__traceback__ is not None or trace in str(error)


def raise_with_failure(error: BaseException, failure: Failure) -> NoReturn:
    """Raise a task's error with the facts; one that would be mistaken for the coordinator's own is wrapped.

    A `KeyboardInterrupt` in the coordinator is the user's Ctrl-C, whatever was running, and is not wrapped.
    """
    if isinstance(error, SystemExit | GeneratorExit | StopIteration | StopAsyncIteration):
        wrapped = TaskFailedError(f"task '{failure.task}' raised {text_of(error)}")
        raise attach_facts(wrapped, failure) from error
    if isinstance(error, Exception):
        attach_facts(error, failure)
    raise error


def add_generator_note(error: BaseException, stages: Sequence[Stage]) -> None:
    """Note on a `TypeError` or `AttributeError` that an argument was the list of a generator's items."""
    facts = failure_of(error)
    if not isinstance(error, TypeError | AttributeError) or facts is None or facts.index is not None:
        return
    for stage in stages:
        if not isinstance(stage, CallStage) or stage.steps[0].number != facts.step:
            continue
        for name, operand in stage.steps[0].arguments:
            made = stages[operand.stage] if isinstance(operand, StageResult) else None
            if isinstance(made, MaterialiseStage) and not made.streamed:
                of = made.step.function.name
                with contextlib.suppress(Exception):
                    error.add_note(
                        f"daglite: '{name}' was the list of all that '{of}' yields, as `{of}(...)` gives it; "
                        f"`{of}.iter(...)` gives one item at a time"
                    )


def _facts(failure: Failure) -> str:
    parts = [f"task '{failure.task}'"]
    if failure.index is not None:
        parts.append(f"item {failure.index}" + (f" ({failure.item})" if failure.item is not None else ""))
    if failure.attempt > 1:
        parts.append(f"attempt {failure.attempt}")
    parts.append("in the coordinator" if failure.worker is None else f"worker {failure.worker}")
    return ", ".join(parts)
