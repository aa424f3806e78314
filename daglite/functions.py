"""One user's function as data: what a task is to the compiler, the plan and the workers."""

from __future__ import annotations

import builtins
import functools
import inspect
import re
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterable, Iterator
from typing import TYPE_CHECKING, Literal, TypeAlias, cast, get_args, get_origin

from daglite.exceptions import ParameterError, TaskError
from daglite.lazy import lazy
from daglite.records import record
from daglite.retry import Retry

if TYPE_CHECKING:
    import difflib
else:
    difflib = lazy("difflib")


Kind = Literal["plain", "async", "generator", "async_generator"]
On = Literal["processes", "threads", "coordinator"]

_STREAM_TEXT = re.compile(r"^(?:\w+\.)*(Async)?(Iterator|Generator|Iterable)(?:\[(.*)\])?$", re.DOTALL)
_WHOLE = re.compile(r"^([\w.]+)(?:\[(.*)\])?$", re.DOTALL)
_COROUTINE = re.compile(r"^Coroutine\[(.*)\]$", re.DOTALL)
# A quoted part, which stays; modules before a name; the sign that Python shows before a type variable.
_NOISE = re.compile(r"""('[^']*'|"[^"]*")|\b(?:[a-z_]\w*\.)+(?=[A-Za-z_])|[~+-](?=[A-Za-z_])""")


# Python knows no more of some builtins than that they can be called.
UNREAD = inspect.Signature(
    [
        inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL),
        inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD),
    ]
)


@record(eq=True)
class Placement:
    """Where a task asks to run, and on how many workers; None leaves their number to the run."""

    on: On
    workers: int | None = None

    def __str__(self) -> str:
        return self.on if self.workers is None else f"{self.on} {self.workers}"


@record
class Function:
    """A task's function with its options: frozen, shared by ir, plan and workers.

    `retries` is the number of further attempts after a first one that raised an `Exception`; `retry` says which ones,
    and how long to wait (None: all of them, at once). `timeout` is the most seconds one call may take on a worker.
    `retry_on_crash` tells whether a call that its worker did not survive may be started again. `on_error` is what
    becomes of an item at which it failed for good: it ends the run ("raise"), is dropped ("skip"), goes on as a
    `Failed` ("keep"), or as what a function makes of that. One that `stays` is called in the coordinator only. `site`
    is where it asks to run; None leaves it to the run. One that is `partitioned` is a generator that takes its
    arguments as one mapping.
    `result` is the text of the element type (generators) or of the return type; "?" where there is no annotation.
    """

    fn: Callable[..., object]
    name: str
    kind: Kind
    retries: int
    result: str
    timeout: float | None = None
    retry_on_crash: bool = True
    stays: bool = False
    partitioned: bool = False
    site: Placement | None = None
    retry: Retry | None = None
    on_error: OnError = "raise"

    def __repr__(self) -> str:
        return f"Function({self.name})"

    @property
    def skips(self) -> bool:
        """Whether an item at which it fails is dropped."""
        return self.on_error == "skip"

    @property
    def tries(self) -> bool:
        """Whether a failing call is not the end of its run at once."""
        return self.retries > 0 or self.on_error != "raise"

    @property
    def needs_worker(self) -> bool:
        """Whether it has an option that only a process of its own can keep."""
        return self.timeout is not None or not self.retry_on_crash

    @property
    def here(self) -> bool:
        """Whether it asks to run in the coordinator."""
        return self.site is not None and self.site.on == "coordinator"

    @property
    def loops(self) -> bool:
        """Whether its calls share one event loop: an async one that asks for threads."""
        return self.site is not None and self.site.on == "threads" and self.kind in ("async", "async_generator")

    @property
    def wants_worker(self) -> str:
        """The options with which it cannot run in the coordinator, as they are told in an error; "" for none."""
        if self.site is not None and not self.here:
            return f"`on={self.site.on!r}`"
        return "a `timeout` or `retry_on_crash=False`" if self.needs_worker else ""

    @property
    def streams(self) -> bool:
        """Whether calling it gives an iterator of items."""
        return self.kind in ("generator", "async_generator")

    @property
    def returns(self) -> str:
        """The text of what one call gives: the list of all items where it streams."""
        given = f"list[{self.result}]" if self.streams else self.result
        return f"{given} | Failed" if self.on_error == "keep" else given


# What becomes of an item at which a task fails; a function is the one that makes something of a `Failed`.
OnError: TypeAlias = Literal["raise", "skip", "keep"] | Function


def describe(
    fn: Callable[..., object],
    *,
    name: str | None = None,
    retries: int | Retry = 0,
    timeout: float | None = None,
    retry_on_crash: bool = True,
    on_error: object = "raise",
    on: On | None = None,
    workers: int | None = None,
) -> Function:
    """Look at `fn` once and write down what the compiler and the workers need to know.

    Raises `TaskError` when `fn` is not callable and `ParameterError` for option values that are not allowed.
    """
    if not callable(fn):
        given = f"`task` needs a function; got {fn!r}"
        if isinstance(fn, Iterable):
            raise TaskError(
                f"{given}; give the generator function itself, or `daglite.from_iterable(...)` of what is there"
            )
        raise TaskError(given)
    if name is not None and (not isinstance(name, str) or not name.strip() or not name.isprintable()):
        raise ParameterError(f"`name` must be a line of text that is not empty; got {name!r}")
    retry = retries if isinstance(retries, Retry) else None
    count = retry.attempts - 1 if retry is not None else retries
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise ParameterError(f"`retries` must be a whole number >= 0 or a `daglite.Retry`; got {retries!r}")
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout > 0):
        raise ParameterError(f"`timeout` must be a number of seconds > 0, or None; got {timeout!r}")
    if not isinstance(retry_on_crash, bool):
        raise ParameterError(f"`retry_on_crash` must be True or False; got {retry_on_crash!r}")
    site = _site(on, workers)
    if site is not None and site.on == "coordinator" and (timeout is not None or not retry_on_crash):
        raise ParameterError(
            "`timeout` and `retry_on_crash=False` are for tasks on workers, and `on='coordinator'` is none; "
            "leave one of them out"
        )
    inner = _unwrap(fn)
    shown = name or _name(fn)
    kind = _kind(inner)
    result = element_type(inner, streams="generator" in kind)
    return Function(
        fn, shown, kind, count, result, timeout, retry_on_crash, site=site, retry=retry, on_error=_on_error(on_error)
    )


def _on_error(given: object) -> OnError:
    """The option of this name; a function or a task becomes a record, as every function of the user's does."""
    if isinstance(given, str) and given in ("raise", "skip"):
        return "raise" if given == "raise" else "skip"
    # Importing tasks here would be a circle; they are known by the record they hold.
    found = given if isinstance(given, Function) else getattr(given, "function", None)
    if isinstance(found, Function):
        if getattr(given, "fixed", ()):
            raise ParameterError(f"`on_error` takes a task with nothing fixed; got {given!r}; write a function for it")
    elif callable(given):
        found = describe(given)
    else:
        raise ParameterError(f"`on_error` must be 'raise', 'skip', or a function of a `daglite.Failed`; got {given!r}")
    if found.kind != "plain" or found.needs_worker or found.tries or found.site is not None:
        raise ParameterError(
            f"`on_error` must be a plain function without options, of one `daglite.Failed`; got '{found.name}'"
        )
    _check_takes_one(found)
    return found


def _check_takes_one(handler: Function) -> None:
    try:
        inspect.signature(handler.fn).bind(None)
    except TypeError as error:
        raise ParameterError(f"`on_error` calls '{handler.name}' with a `daglite.Failed` alone: {error}") from None
    except ValueError:
        # A builtin that says nothing of what it takes.
        pass


def _site(on: object, workers: object) -> Placement | None:
    """Where a task asks to run; raises `ParameterError` for what is not allowed."""
    if on is None:
        if workers is not None:
            raise ParameterError(
                f"`workers` of a task needs `on='processes'` or `on='threads'`; got workers={workers!r} alone: for all "
                "tasks give `workers` to `run`"
            )
        return None
    if on not in get_args(On):
        names = ", ".join(map(repr, get_args(On)))
        raise ParameterError(f"`on` must be {names} or None; got {on!r}{suggest(str(on), get_args(On))}")
    if on == "coordinator" and workers is not None:
        raise ParameterError(f"`on='coordinator'` runs one call at a time, so it takes no `workers`; got {workers!r}")
    if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 1):
        raise ParameterError(f"`workers` must be a whole number >= 1, or None; got {workers!r}")
    return Placement(cast("On", on), workers)


def signature_of(function: Function) -> inspect.Signature:
    """The signature of the function; `UNREAD` for builtins such as `int` and `max`, of which Python tells none."""
    try:
        return inspect.signature(function.fn)
    except (TypeError, ValueError):
        return UNREAD


def fillable(function: Function, taken: Collection[str], count: int) -> list[str]:
    """The parameters that `count` values by position may fill, in order; `*0`, `*1` are those that `*args` takes."""
    parameters = signature_of(function).parameters.values()
    if not any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return free_parameters(function, taken)
    # What can be given by name only stands behind it.
    by_position = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    before = [p.name for p in parameters if p.kind in by_position and p.name not in taken]
    return [*before, *(f"*{place}" for place in range(count - len(before)))]


def free_parameters(function: Function, taken: Collection[str]) -> list[str]:
    """The parameters an item may fill, in order: those that take one value, are not in `taken`, and have none of
    `functools.partial`.
    """
    fn, filled = function.fn, set(taken)
    while isinstance(fn, functools.partial):
        filled.update(fn.keywords)
        fn = fn.func
    parameters = signature_of(function).parameters.values()
    return [p.name for p in parameters if p.name not in filled and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


def suggest(name: str, known: Collection[str]) -> str:
    """A `did you mean` half-sentence for a misspelt name, or nothing."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


def _unwrap(fn: Callable[..., object]) -> Callable[..., object]:
    while isinstance(fn, functools.partial):
        fn = fn.func
    if inspect.isroutine(fn) or inspect.isclass(fn):
        return fn
    # An object that can be called: its `__call__` says what it is.
    method: Callable[..., object] = getattr(fn, "__call__", fn)  # noqa: B004
    return method


def _name(fn: Callable[..., object]) -> str:
    """What a plan calls the function: an object that can be called goes by its class."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    found: object = getattr(fn, "__qualname__", type(fn).__qualname__)
    return str(found).rpartition("<locals>.")[2]


def _kind(fn: Callable[..., object]) -> Kind:
    plain = inspect.unwrap(fn)
    if inspect.isasyncgenfunction(plain):
        return "async_generator"
    if inspect.iscoroutinefunction(plain):
        return "async"
    if inspect.isgeneratorfunction(plain):
        return "generator"
    return _promised(plain)


def _promised(fn: Callable[..., object]) -> Kind:
    """What a function without `yield` and `async` gives, going by its annotation, as checkers do.

    An iterator or coroutine made elsewhere makes it what a generator or `async def` would be. `Iterable` does not, for
    a list is one too.
    """
    annotation = fn if inspect.isclass(fn) else getattr(fn, "__annotations__", {}).get("return")
    if isinstance(annotation, str):
        text = annotation.strip()
        if match := _stream_text(text):
            return "plain" if match[2] == "Iterable" else "async_generator" if match[1] else "generator"
        annotation = _named(text, fn)
    given = get_origin(annotation) or annotation
    if not inspect.isclass(given):
        return "plain"
    if issubclass(given, Coroutine):
        return "async"
    return (
        "async_generator"
        if issubclass(given, AsyncIterator)
        else "generator"
        if issubclass(given, Iterator)
        else "plain"
    )


def _named(text: str, fn: Callable[..., object]) -> object:
    """The class that an annotation names as a whole, with or without arguments; None when there is none (yet)."""
    match = _WHOLE.match(text)
    if match is None or not _closes_at_end(match[2] or ""):
        return None
    first, *rest = match[1].split(".")
    found = getattr(fn, "__globals__", {}).get(first, getattr(builtins, first, None))
    for name in rest:
        found = getattr(found, name, None)
    return found


def element_type(fn: Callable[..., object], *, streams: bool) -> str:
    """The text of what `fn` gives: its return type, or the type of one item when it `streams`; "?" if unknown."""
    plain = inspect.unwrap(fn)
    if inspect.isclass(plain):
        return "?" if streams else plain.__name__
    annotation = getattr(plain, "__annotations__", {}).get("return", inspect.Signature.empty)
    if annotation is inspect.Signature.empty:
        return "?"
    if isinstance(annotation, str):
        text = annotation.strip()
    elif annotation is None:
        text = "None"
    elif inspect.isclass(annotation) and get_origin(annotation) is None:
        text = annotation.__qualname__
    else:
        text = str(annotation)
    text = _NOISE.sub(lambda match: match[1] or "", text)
    if streams:
        match = _stream_text(text)
        return _arguments(match[3])[0] if match and match[3] else "?"
    if not inspect.iscoroutinefunction(plain) and (match := _COROUTINE.match(text)) and _closes_at_end(match[1]):
        return _arguments(match[1])[-1]
    return text


def _stream_text(text: str) -> re.Match[str] | None:
    """The match of an annotation that is a stream as a whole: in `Iterator[int] | list[int]` only a part is one."""
    match = _STREAM_TEXT.match(text)
    return match if match is not None and _closes_at_end(match[3] or "") else None


def _closes_at_end(inside: str) -> bool:
    """Whether the bracket around a text ends with it: that of `int] | list[int` does not."""
    depth = 0
    for letter in inside:
        depth += (letter == "[") - (letter == "]")
        if depth < 0:
            return False
    return True


def _arguments(text: str) -> list[str]:
    """The parts of a text between commas that are not inside brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "[") - (letter == "]")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]
