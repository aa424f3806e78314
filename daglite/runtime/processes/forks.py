"""What becomes of a copy of a worker that a task forks: it does what the task wants of it, and never answers for it.

Two processes that write into one socket would mix their frames, and an item would have two results. So a copy gives up
the socket at once, its records go to its own standard error, and when the task's function returns in it, it ends there.
"""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from typing import NoReturn

__all__ = ["end_copy"]


def end_copy(error: BaseException | None) -> NoReturn:
    """End this copy as a script would end: silently, with the code of a `SystemExit`, or with a traceback."""
    code = 0
    if isinstance(error, SystemExit) and isinstance(error.code, int | None):
        code = error.code or 0
    elif error is not None:
        code = 1
        with contextlib.suppress(Exception):
            traceback.print_exception(error)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    # Not `sys.exit`, for the same reasons as in a worker.
    os._exit(code & 0xFF)
