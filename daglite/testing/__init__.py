"""testing: what a pipeline asks of your tasks, checked with many values; random pipelines, and what they must give.

It needs the extra `daglite[testing]`, which is Hypothesis.

checks      what may be checked of tasks and folds      laws        that, as functions of drawn values
searching   the search for a value that breaks a law    alike       when two values are the same
drawing     random pipelines
"""

from __future__ import annotations

try:
    import hypothesis as _hypothesis  # noqa: F401 - whether it is there
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("daglite.testing needs the extra: pip install 'daglite[testing]'") from error

from daglite.testing.checks import check_combine, check_fold, check_task
from daglite.testing.strategies import DrawnPipeline, Stream, pipelines, streams

__all__ = ["DrawnPipeline", "Stream", "check_combine", "check_fold", "check_task", "pipelines", "streams"]
