"""testing: checks of what pipelines require of your tasks, and random pipelines with their expected results.

It needs the extra `daglite[testing]`, which is Hypothesis.

checks      checks of tasks and folds                   laws        their laws, as functions of drawn values
searching   the search for a value that breaks a law    equality    when two values are the same
strategies  random pipelines
"""

from __future__ import annotations

from typing import TYPE_CHECKING

try:
    import hypothesis as _hypothesis  # noqa: F401 - whether it is there
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("daglite.testing needs the extra: pip install 'daglite[testing]'") from error

from daglite.lazy import renamed
from daglite.testing.checks import check_combine, check_fold, check_task
from daglite.testing.strategies import DrawnPipeline, Stream, pipelines, streams

__all__ = ["DrawnPipeline", "Stream", "check_combine", "check_fold", "check_task", "pipelines", "streams"]

if not TYPE_CHECKING:
    __getattr__ = renamed(__name__, {"Drawn": "DrawnPipeline"})
