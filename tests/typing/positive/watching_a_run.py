"""Watching a run."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

from daglite.events import Detail, Event, Progress, StageEnded
from daglite.observe import Logging, Report
from tests.typing.shop import double


class Stages:
    """An observer of the user's own."""

    detail: Detail = "stages"

    def __init__(self) -> None:
        self.ended: list[int] = []

    def on_event(self, event: Event, /) -> None:
        if isinstance(event, StageEnded):
            self.ended.append(event.stage)


def show(progress: Progress) -> int | None:
    return progress.total


report, stages = Report(), Stages()
assert_type(double(x=1).run(runtime="inline", observers=[report, stages, Logging()], progress=show), int)
assert_type(double.map(x=[1]).run(runtime="inline", progress=False, trace=Path("/dev/null")), list[int])
assert_type(report.steps[0].items_in, int | None)
assert_type(stages.ended, list[int])

# mypy     ok
# plugin   ok
# pyright  ok
# pyrefly  ok
# ty       ok
# python   ok
