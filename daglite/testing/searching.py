"""The search for a value that breaks a law: Hypothesis draws and shrinks, and the smallest one is in the message."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TypeVar

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Flaky
from hypothesis.strategies import SearchStrategy

T = TypeVar("T")


class LawViolation(Exception):
    """A law does not hold; the message shows how."""


def search(law: Callable[[T], None], values: SearchStrategy[T], what: str, max_examples: int | None) -> None:
    """Raise `AssertionError` with the smallest of the values for which the law is `LawViolation`.

    `what`: whose law it is, for one that is broken at one time and not at another.
    """
    # The law is the same function for all tasks: examples kept from one would be tried on the others.
    asked = settings(deadline=None, database=None, print_blob=False, report_multiple_bugs=False)
    # Nor is told what Hypothesis would explain, and that takes the longest.
    asked = settings(asked, phases=[Phase.generate, Phase.shrink])
    # A user's items may be slow to make.
    asked = settings(asked, suppress_health_check=[*asked.suppress_health_check, HealthCheck.too_slow])
    if max_examples is not None:
        asked = settings(asked, max_examples=max_examples)
    try:
        asked(given(values)(law))()
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
    """Tell of an error of the user's code with what was asked of it."""
    try:
        yield
    except LawViolation:
        raise
    except Exception as error:
        raise LawViolation(f"{what} raises {type(error).__name__}: {error}") from error
