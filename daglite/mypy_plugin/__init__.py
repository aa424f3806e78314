"""The mypy plugin: `plugins = ["daglite.mypy_plugin"]` checks what plain types cannot express.

shapes      the parameters of a task, read from its type      calls      `__call__`, `iter`, `partial`, `map`
chains      `then`, `attempt`, `join`, `reduce` and their like         making     `task` and its decorator

Nothing in daglite imports this package, and it imports nothing but mypy. A hook that does not recognise a type, or
fails, leaves it to the plain types: the plugin adds checks, and never ends mypy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from mypy.plugin import (
    FunctionContext,
    MethodContext,
    MethodSigContext,
    Plugin,
    ReportConfigContext,
)
from mypy.types import FunctionLike, Type

from daglite.mypy_plugin.calls import call_signature, map_result, map_signature, partial_result, partial_signature
from daglite.mypy_plugin.chains import attempt_signature, chain_signature, flat_signature, reduce_signature
from daglite.mypy_plugin.making import decorated_result, task_result

C = TypeVar("C", MethodSigContext, MethodContext, FunctionContext)
R = TypeVar("R")

_TASKS, _FUTURES = "daglite.tasks.", "daglite.futures."
_SIGNATURES: dict[tuple[str, str], Callable[[MethodSigContext], FunctionLike]] = {
    (_TASKS, "__call__"): call_signature,
    (_TASKS, "iter"): call_signature,
    (_TASKS, "partial"): partial_signature,
    (_TASKS, "map"): map_signature,
    (_FUTURES, "then"): chain_signature,
    (_FUTURES, "attempt"): attempt_signature,
    (_FUTURES, "filter"): chain_signature,
    (_FUTURES, "flat_map"): flat_signature,
    (_FUTURES, "take_while"): chain_signature,
    (_FUTURES, "for_each"): chain_signature,
    (_FUTURES, "join"): chain_signature,
    (_FUTURES, "reduce"): reduce_signature,
    (_FUTURES, "scan"): reduce_signature,
}
_RESULTS: dict[tuple[str, str], Callable[[MethodContext], Type]] = {
    (_TASKS, "partial"): partial_result,
    (_TASKS, "map"): map_result,
}
_DECORATOR = "daglite.tasks.TaskDecorator.__call__"
_TASK = "daglite.tasks.task"


class DaglitePlugin(Plugin):
    """The hooks for the methods and functions of daglite."""

    def get_method_signature_hook(self, fullname: str) -> Callable[[MethodSigContext], FunctionLike] | None:
        """Return the hook that rewrites the parameters of a method, before mypy checks the arguments."""
        hook = _SIGNATURES.get(_place(fullname)) if fullname != _DECORATOR else None
        return careful(hook, lambda context: context.default_signature) if hook else None

    def get_method_hook(self, fullname: str) -> Callable[[MethodContext], Type] | None:
        """Return the hook that rewrites the result of a method, after mypy has checked the arguments."""
        hook = decorated_result if fullname == _DECORATOR else _RESULTS.get(_place(fullname))
        return careful(hook, lambda context: context.default_return_type) if hook else None

    def get_function_hook(self, fullname: str) -> Callable[[FunctionContext], Type] | None:
        """Return the hook that rewrites the result of `task(fn)`."""
        return careful(task_result, lambda context: context.default_return_type) if fullname == _TASK else None

    def report_config_data(self, ctx: ReportConfigContext) -> object:
        """Return the digest of the plugin, on which cached results depend."""
        return _DIGEST


def plugin(version: str) -> type[Plugin]:
    """Return the plugin class; mypy calls this."""
    return DaglitePlugin


def _place(fullname: str) -> tuple[str, str]:
    """Return the module and the method of `daglite.tasks.Task.map`, without the class."""
    owner, _, method = fullname.rpartition(".")
    return ".".join(owner.split(".")[:2]) + ".", method


def careful(hook: Callable[[C], R], plain: Callable[[C], R]) -> Callable[[C], R]:
    """Return the hook with the plain answer in the place of an exception."""

    def guarded(context: C) -> R:
        try:
            return hook(context)
        except Exception:
            # A type or a version of mypy that the plugin does not know: the plain types are the answer.
            return plain(context)

    return guarded


def digest_of(folder: Path) -> str:
    """Return a hash of the Python files of a folder."""
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


_DIGEST = digest_of(Path(__file__).parent)
