"""The target `module:name`: found, called with its parameters if it is callable, and compiled."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from daglite.annotations import read_signature
from daglite.binding import Bindable
from daglite.cli.values import UsageError, value_of
from daglite.compile import compile
from daglite.functions import signature_of, suggest
from daglite.futures import Future
from daglite.plan import Plan

_KINDS = "a pipeline (a future), a plan, or a task or function that gives one"
_MOST_NAMED = 12


def plan_of(target: str, params: Sequence[tuple[str, str]], options: Mapping[str, object]) -> Plan[Any]:
    """Return the plan of a target, compiled with the options; raise `UsageError` for a wrong target or parameter."""
    found = _find(target)
    if isinstance(found, Future | Plan):
        if params:
            kind = "plan" if isinstance(found, Plan) else "pipeline"
            raise UsageError(f"'{target}' is a {kind} and takes no --param; name a task or a function that makes one")
    elif callable(found):
        found = _called(target, found, params)
    if isinstance(found, Plan):
        if options:
            raise UsageError(f"'{target}' gives a plan, which is compiled already; it takes no option of compile")
        return found
    if not isinstance(found, Future):
        raise UsageError(f"'{target}' must be {_KINDS}; got {found!r}")
    return compile(found, **cast("dict[str, Any]", options))


def _find(target: str) -> object:
    where, colon, name = target.rpartition(":")
    if not colon or not where or not name:
        raise UsageError(f"TARGET must be module:name or file.py:name; got {target!r}")
    module = _from_file(where) if where.endswith(".py") or os.sep in where else _from_path(where)
    found: object = module
    for part in name.split("."):
        if not hasattr(found, part):
            raise UsageError(f"'{where}' has no '{name}'{_suggestion(module, name)}")
        found = getattr(found, part)
    return found


def _from_file(where: str) -> ModuleType:
    """Import the module in a file under its own name, so that workers can import it too."""
    file = Path(where)
    if not file.is_file():
        raise UsageError(f"there is no file {where!r}")
    sys.path.insert(0, str(file.parent.resolve()))
    module = importlib.import_module(file.stem)
    if module.__file__ is None or not os.path.samefile(module.__file__, file):
        raise UsageError(f"a module called '{file.stem}' is there already: give {where!r} another name")
    return module


def _from_path(where: str) -> ModuleType:
    if not all(part.isidentifier() for part in where.split(".")):
        raise UsageError(f"{where!r} is not the name of a module")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(where)
    except ModuleNotFoundError as error:
        # A module that the module itself misses is its own failure.
        if error.name is None or not f"{where}.".startswith(f"{error.name}."):
            raise
        raise UsageError(f"there is no module '{error.name}', here or in the environment of {sys.prefix}") from None


def _suggestion(module: ModuleType, name: str) -> str:
    """Return a suggestion: the pipelines, plans, tasks and own functions of the module."""
    known = [known for known, value in vars(module).items() if known[0] != "_" and _fits(value, module)]
    near = suggest(name, known)
    shown = ", ".join(known[:_MOST_NAMED]) + (", ..." if len(known) > _MOST_NAMED else "")
    return near or (f"; it has {shown}" if known else f"; nor anything else that is {_KINDS}")


def _fits(value: object, module: ModuleType) -> bool:
    own = inspect.isfunction(value) and value.__module__ == module.__name__
    return own or isinstance(value, Future | Plan | Bindable)


def _called(target: str, found: Callable[..., object], params: Sequence[tuple[str, str]]) -> object:
    """Call a task or function with the parameters."""
    signature, fn = _signature(target, found)
    values = dict(_bound(target, params, signature, fn))
    required = [
        one
        for one in signature.parameters.values()
        if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD) and one.name not in values
    ]
    if required:
        missing = ", ".join(f"--param {one.name}={_type_text(one)}" for one in required)
        raise UsageError(f"'{target}' needs {missing}")
    extras = {name: values.pop(name) for name in [*values] if name not in signature.parameters}
    bound = inspect.BoundArguments(signature, {n: values[n] for n in signature.parameters if n in values})
    return found(*bound.args, **bound.kwargs, **extras)


def _signature(target: str, found: Callable[..., object]) -> tuple[inspect.Signature, Callable[..., object]]:
    """Return the free parameters, and the function in whose module the annotations are evaluated."""
    if isinstance(found, Bindable):
        fixed = {binding.name for binding in found.fixed}
        signature, fn = signature_of(found.function), found.function.fn
        return signature.replace(parameters=[p for p in signature.parameters.values() if p.name not in fixed]), fn
    try:
        return read_signature(found), found
    except (TypeError, ValueError):
        raise UsageError(f"'{target}' must be {_KINDS}; got {found!r}") from None


def _bound(
    target: str, params: Sequence[tuple[str, str]], signature: inspect.Signature, fn: Callable[..., object]
) -> Iterator[tuple[str, object]]:
    known = {n: p for n, p in signature.parameters.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
    rest = [p for p in signature.parameters.values() if p.kind is p.VAR_KEYWORD]
    seen = set[str]()
    for name, text in params:
        if name in seen:
            raise UsageError(f"--param {name} is given twice")
        seen.add(name)
        parameter = known.get(name) or (rest[0] if rest else None)
        if parameter is None:
            has = f"it has {', '.join(known)}" if known else "it has none"
            raise UsageError(f"'{target}' has no parameter '{name}'; {has}{suggest(name, known)}")
        yield name, value_of(name, text, _annotation(parameter, fn))


def _annotation(parameter: inspect.Parameter, fn: Callable[..., object]) -> object:
    """Evaluate the annotation of a parameter; others may exist for type checkers only, and are not evaluated."""
    # A reference to a name that has no value holds the text.
    annotation = getattr(parameter.annotation, "__forward_arg__", parameter.annotation)
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, getattr(inspect.unwrap(fn), "__globals__", {}))
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise UsageError(
            f"parameter '{parameter.name}' is annotated {annotation!r}, which cannot be read ({reason})"
        ) from None


def _type_text(parameter: inspect.Parameter) -> str:
    annotation = parameter.annotation
    if annotation is parameter.empty:
        return "..."
    return f"<{annotation.__name__ if isinstance(annotation, type) else annotation}>"
