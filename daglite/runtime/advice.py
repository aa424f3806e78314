"""What is said beside an error that a common mistake may have made."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from daglite.exceptions import failure_of
from daglite.program import CallStage, MaterialiseStage, Result, Stage

__all__ = ["advise"]


def advise(error: BaseException, stages: Sequence[Stage]) -> None:
    """Where a task failed at the list of a generator that was called: how it would get one item at a time."""
    facts = failure_of(error)
    if not isinstance(error, TypeError | AttributeError) or facts is None or facts.index is not None:
        return
    for stage in stages:
        if not isinstance(stage, CallStage) or stage.steps[0].number != facts.step:
            continue
        for name, operand in stage.steps[0].arguments:
            made = stages[operand.stage] if isinstance(operand, Result) else None
            if isinstance(made, MaterialiseStage) and not made.streamed:
                of = made.step.function.name
                with contextlib.suppress(Exception):
                    error.add_note(
                        f"daglite: '{name}' was the list of all that '{of}' yields, as `{of}(...)` gives it; "
                        f"`{of}.iter(...)` gives one item at a time"
                    )
