"""The search for a value that violates a law, with Hypothesis; the message has the smallest one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TypeVar

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Flaky
from hypothesis.strategies import SearchStrategy

T = TypeVar("T")


class LawViolation(Exception):
    """A law does not hold; the message shows why."""


def search(law: Callable[[T], None], values: SearchStrategy[T], what: str, max_examples: int | None) -> None:
    """Raise `AssertionError` for the smallest value with which the law raises `LawViolation`.

    `what` names the subject of the law, for a violation that is not reproducible.
    """
    # No database: all tasks share the function of the law, so kept examples of one would be tried on others.
    configured = settings(deadline=None, database=None, print_blob=False, report_multiple_bugs=False)
    # Without the explain phase, which takes longest and is not shown.
    configured = settings(configured, phases=[Phase.generate, Phase.shrink])
    # Drawing the items of a user may be slow.
    configured = settings(configured, suppress_health_check=[*configured.suppress_health_check, HealthCheck.too_slow])
    if max_examples is not None:
        configured = settings(configured, max_examples=max_examples)
    try:
        configured(given(values)(law))()
    except LawViolation as broken:
        found = AssertionError(str(broken))
        found.__cause__ = broken.__cause__
    except Flaky as flaky:
        found = AssertionError(f"{what} does not do the same each time: a law did not hold, and then it did")
        found.__cause__ = flaky
    else:
        return
    raise found


@contextlib.contextmanager
def trying(what: str) -> Iterator[None]:
    """Turn an error of the user's code into a `LawViolation` that says what was called."""
    try:
        yield
    except LawViolation:
        raise
    except Exception as error:
        raise LawViolation(f"{what} raises {type(error).__name__}: {error}") from error
