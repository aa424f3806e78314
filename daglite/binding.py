"""Bind arguments to parameters; every error is raised at the line that makes it."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from itertools import islice
from typing import Generic, get_args

from typing_extensions import TypeVar

from daglite.exceptions import ParameterError, TaskError
from daglite.functions import UNREAD, Function, fillable, signature_of, suggest
from daglite.ir.nodes import Argument, Binding, Call, MapMode, Node, Value

# The number of values in a container that are checked for futures.
_CHECKED_VALUES = 100
# Methods whose keyword arguments are their own, not parameters of the task.
_WITHOUT_EXTRAS = ("reduce", "scan")
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True)
class Pipeline(Generic[R_co]):
    """The base of futures: a builder that holds a node. `R` is the type of the result of a run."""

    node: Node


@dataclass(frozen=True, eq=False)
class Bindable:
    """The base of tasks: a function with some of its parameters fixed."""

    function: Function
    fixed: tuple[Binding, ...] = ()

    def __post_init__(self) -> None:
        # For `help`, `?` in notebooks, doctests and generated pages: a task has the docstring of its function.
        fn = self.function.fn
        for name in ("__doc__", "__module__", "__name__", "__qualname__"):
            object.__setattr__(self, name, getattr(fn, name, None))
        if not self.fixed:
            object.__setattr__(self, "__wrapped__", fn)


def refuse_on_error(function: Function, method: str, reason: str, *, handler: bool = False) -> None:
    """Raise `ParameterError` for an `on_error` that cannot be kept there; `handler` allows a function of failures."""
    if function.on_error == "raise" or (handler and isinstance(function.on_error, Function)):
        return
    given = function.on_error.name if isinstance(function.on_error, Function) else function.on_error
    raise ParameterError(
        f"task '{function.name}' has `on_error` {given!r}, which `{method}` cannot keep: {reason}; "
        "set it on the tasks on items, or take it off with `.with_options(on_error='raise')`"
    )


def refuse_futures_in(value: object, where: str, instead: str) -> None:
    """Raise `ParameterError` for futures inside one of Python's own containers; `instead` says what to do."""
    if any(isinstance(one, Pipeline) for one in islice(_held(value), _CHECKED_VALUES)):
        raise ParameterError(
            f"{where} holds futures inside a {type(value).__name__}, where they would not be run; {instead}"
        )


def argument_of(value: object) -> Argument:
    """Return the node of a future, or a plain argument."""
    return value.node if isinstance(value, Pipeline) else Value(value)


def fix(task: Bindable, fixed: Mapping[str, object]) -> tuple[Binding, ...]:
    """Return the bindings of a task after `.partial(**fixed)`."""
    _check_names(task, fixed)
    return task.fixed + _bindings(task, fixed)


def bind_call(task: Bindable, args: Sequence[object], kwargs: Mapping[str, object]) -> Call:
    """Bind the arguments of a direct call or `.iter`; a missing, unknown or twice-bound parameter is an error."""
    signature = _remaining(task, ())
    _check_names(task, kwargs)
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise ParameterError(
            f"task '{task.function.name}': {error}; it takes {_shown(signature)}{_unbound(task.function, signature)}"
        ) from None
    named: dict[str, object] = {}
    for name, value in bound.arguments.items():
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            named.update((f"*{position}", one) for position, one in enumerate(value))
        elif kind is inspect.Parameter.VAR_KEYWORD:
            if twice := sorted(named.keys() & value.keys()):
                # Python distinguishes a positional-only `a` from an `a` in `**kwargs`; bindings are by name.
                raise ParameterError(f"task '{task.function.name}': parameter '{twice[0]}' is bound twice")
            named.update(value)
        else:
            named[name] = value
    return Call(task.function, task.fixed, _bindings(task, named))


def bind_items(
    task: Bindable, method: str, count: int, args: Sequence[object], extras: Mapping[str, object]
) -> tuple[Call, tuple[str, ...]]:
    """Bind `.then`, `.filter`, `.join` or `.reduce`: items fill the first `count` free parameters.

    Extra positional arguments fill the parameters after them. `*args` takes any number.
    """
    _check_names(task, extras)
    name = task.function.name
    free = fillable(task.function, [*_names(task.fixed), *extras], count + len(args))
    if len(free) < count:
        raise ParameterError(
            f"`{method}` needs {'a parameter' if count == 1 else f'{count} parameters'} of task '{name}' that nothing "
            f"else fills; free: {', '.join(map(repr, free)) or 'none'}"
        )
    if len(free) < count + len(args):
        raise ParameterError(
            f"`{method}` got {len(args)} extra values for task '{name}', which has room for {len(free) - count}"
        )
    named = dict(zip(free[count:], args, strict=False)) | dict(extras)
    items = tuple(free[:count])
    _check_complete(task, [*items, *named], method)
    return Call(task.function, task.fixed, _bindings(task, named)), items


def bind_map(task: Bindable, mode: MapMode, mapped: Mapping[str, object]) -> tuple[Call, tuple[Binding, ...], MapMode]:
    """Bind `.map`: each mapped name takes a sequence of values, one for each call."""
    name = task.function.name
    if mode not in get_args(MapMode):
        raise ParameterError(f"`map_mode` of task '{name}' must be 'zip' or 'product'; got {mode!r}")
    if not mapped:
        raise ParameterError(f"`map` of task '{name}' needs at least one mapped parameter")
    if signature_of(task.function) is UNREAD:
        raise TaskError(
            f"`map` gives values by name, and Python does not tell what '{name}' calls them: "
            f"give them by position, `daglite.from_iterable(...).then(...)`, or wrap '{name}' in a `lambda` or a `def`"
        )
    _check_names(task, mapped)
    _check_complete(task, list(mapped), "map")
    sources = tuple(Binding(key, _mapped_argument(name, key, value)) for key, value in mapped.items())
    if mode == "zip":
        lengths = {
            s.name: len(s.argument.value)
            for s in sources
            if isinstance(s.argument, Value) and isinstance(s.argument.value, Sized)
        }
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"'{key}' has {length}" for key, length in lengths.items())
            raise ParameterError(
                f"`map` of task '{name}' zips values of different lengths: {told}; or use map_mode='product'"
            )
    return Call(task.function, task.fixed, ()), sources, mode


def check_named(
    method: str, task: Bindable, known: Sequence[str], args: Sequence[object], given: Collection[str]
) -> None:
    """Raise `ParameterError` for values by position and for unknown names, where a method takes some by name only."""
    if args:
        raise ParameterError(
            f"`{method}` with task '{task.function.name}' takes {', '.join(map(repr, known))} by name; got {args[0]!r} "
            f"by position: write {known[0]}=..."
        )
    for name in given:
        if name not in known:
            raise ParameterError(
                f"`{method}` with task '{task.function.name}' has no '{name}'; it takes {', '.join(map(repr, known))}"
                f"{suggest(name, known)}"
            )


def known_parameters(call: Call, items: Collection[str]) -> list[str]:
    """Return the names that a key template may use: every parameter with a value of its own, or a default."""
    bound = [b.name for b in (*call.fixed, *call.bound) if not b.name.startswith("*")]
    parameters = signature_of(call.function).parameters.values()
    defaults = [p.name for p in parameters if p.default is not inspect.Parameter.empty and p.name not in bound]
    return [name for name in bound + defaults if name not in items]


def _mapped_argument(task: str, name: str, value: object) -> Argument:
    argument = argument_of(value)
    if not isinstance(argument, Value):
        return argument
    if not isinstance(value, Iterable) or isinstance(value, Iterator):
        try:
            # An iterator can be read once, and a plan can run often: its values are read now.
            argument = Value(tuple(iter(value)))  # type: ignore[call-overload]
        except TypeError:
            raise ParameterError(
                f"`map` of task '{task}' needs an iterable for '{name}'; got {value!r}; "
                "fix single values with `.partial`"
            ) from None
    instead = "map over what they are made of, and go on with `.then`"
    refuse_futures_in(argument.value, f"`map` of task '{task}': '{name}'", instead)
    return argument


def _bindings(task: Bindable, named: Mapping[str, object]) -> tuple[Binding, ...]:
    instead = "give each as an argument of its own, or make all of them with one `.map` and `join` it"
    for name, value in named.items():
        refuse_futures_in(value, f"task '{task.function.name}': '{name}'", instead)
    return tuple(Binding(name, argument_of(value)) for name, value in named.items())


def _held(value: object) -> Iterable[object]:
    """Return what one of Python's own containers holds."""
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list | tuple | set | frozenset) else ()


def _names(bindings: Collection[Binding]) -> list[str]:
    return [binding.name for binding in bindings]


def _remaining(task: Bindable, taken: Collection[str]) -> inspect.Signature:
    """Return the signature without the parameters that are fixed."""
    signature = signature_of(task.function)
    gone = {*_names(task.fixed), *taken}
    return signature.replace(parameters=[p for p in signature.parameters.values() if p.name not in gone])


def _check_names(task: Bindable, names: Collection[str]) -> None:
    signature = signature_of(task.function)
    name = task.function.name
    known = [p.name for p in signature.parameters.values() if p.kind not in _VARIADIC]
    open_ended = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in signature.parameters.values())
    for given in names:
        if given in _names(task.fixed):
            raise ParameterError(
                f"task '{name}': parameter '{given}' is bound twice; it is already fixed by `.partial`"
            )
        if given not in known and not open_ended:
            raise ParameterError(
                f"task '{name}' has no parameter '{given}'; it takes {_shown(signature)}{suggest(given, known)}"
            )


def _check_complete(task: Bindable, given: Collection[str], method: str) -> None:
    missing = [
        p.name
        for p in _remaining(task, given).parameters.values()
        if p.default is inspect.Parameter.empty and p.kind not in _VARIADIC
    ]
    if missing:
        extra = "" if method in _WITHOUT_EXTRAS else " or give it as an extra"
        raise ParameterError(
            f"`{method}` of task '{task.function.name}' leaves {', '.join(map(repr, missing))} without a value; "
            f"fix it with `.partial`{extra}{_unbound(task.function, _remaining(task, ()))}"
        )


def _unbound(function: Function, signature: inspect.Signature) -> str:
    """Say what to do about the function of a class whose `self` or `cls` is still free: values would fill it."""
    path = getattr(inspect.unwrap(function.fn), "__qualname__", "").rpartition("<locals>.")[2]
    first = next(iter(signature.parameters), "")
    if first not in ("self", "cls") or "." not in path:
        return ""
    owner, _, method = path.rpartition(".")
    return (
        f"; '{method}' is a method of '{owner}' that is not bound, so the first value is its '{first}': give that too, "
        f"fix it with `.partial({first}=...)`, or make the task of the bound method, task(an_object.{method})"
    )


def _shown(signature: inspect.Signature) -> str:
    # With stars, as `inspect` writes them.
    names = [str(p.replace(default=p.empty, annotation=p.empty)) for p in signature.parameters.values()]
    return ", ".join(map(repr, names)) if names else "no parameters"


def require_task(task: object, method: str) -> Bindable:
    """Return the task given to a chaining method; raise `TaskError` with what to write for other objects."""
    if isinstance(task, Pipeline):
        raise TaskError(
            f"`{method}` needs a task; got {task!r}, which a call has made; "
            f"give the task itself, with its other arguments after it: .{method}(task, name=value)"
        )
    if not isinstance(task, Bindable):
        raise TaskError(
            f"`{method}` needs a task; got {task!r}; "
            f"decorate the function with `@task` or wrap it: task({_call_name(task)})"
        )
    return task


def _call_name(task: object) -> str:
    name: str = getattr(task, "__name__", "fn")
    return "lambda ..." if name == "<lambda>" else name
