"""A user's function as data: what the compiler, the plan and the workers know of a task."""

from __future__ import annotations

import builtins
import functools
import inspect
import re
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterable, Iterator
from typing import TYPE_CHECKING, Literal, TypeAlias, cast, get_args, get_origin

from daglite.annotations import annotations_of, read_signature
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
# A quoted part, which is kept; modules before a name; the sign that Python shows before a type variable.
_NOISE = re.compile(r"""('[^']*'|"[^"]*")|\b(?:[a-z_]\w*\.)+(?=[A-Za-z_])|[~+-](?=[A-Za-z_])""")


# The signature of builtins for which Python has none.
UNREAD = inspect.Signature(
    [
        inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL),
        inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD),
    ]
)


@record(eq=True)
class Placement:
    """Where a task asks to run, and on how many workers; None leaves the number to the run."""

    on: On
    workers: int | None = None

    def __str__(self) -> str:
        return self.on if self.workers is None else f"{self.on} {self.workers}"


@record
class Function:
    """A task's function with its options: frozen, shared by ir, plan and workers.

    `retries` is the number of further attempts after one that raised an `Exception`; `retry` selects the errors and the
    waits (None: every `Exception`, at once). `timeout` is the maximum of seconds for one call on a worker.
    `retry_on_crash` allows to start a call again whose worker died. `on_error` is the treatment of an item at which the
    last attempt failed: it ends the run ("raise"), is dropped ("skip"), goes on as a `Failed` ("keep"), or as the
    result of a function of that. A function that `stays` is only called in the coordinator. `site` is where it asks to
    run; None leaves it to the run. A `partitioned` function is a generator that takes its arguments as one mapping.
    `result` is the type of an item (generators) or of the result, as text; "?" without an annotation.
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
        """Whether the run goes on after a failing call."""
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
        """Whether its calls share one event loop: those of an async function that asks for threads."""
        return self.site is not None and self.site.on == "threads" and self.kind in ("async", "async_generator")

    @property
    def wants_worker(self) -> str:
        """The options that it cannot keep in the coordinator, for an error message; "" for none."""
        if self.site is not None and not self.here:
            return f"`on={self.site.on!r}`"
        return "a `timeout` or `retry_on_crash=False`" if self.needs_worker else ""

    @property
    def streams(self) -> bool:
        """Whether a call returns an iterator of items."""
        return self.kind in ("generator", "async_generator")

    @property
    def returns(self) -> str:
        """The type of the result of one call, as text: the list of all items where it streams."""
        given = f"list[{self.result}]" if self.streams else self.result
        return f"{given} | Failed" if self.on_error == "keep" else given


# The treatment of an item at which a task fails; a function returns a result in the place of a `Failed`.
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
    """Describe a function and its options for the compiler and the workers.

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
            "`timeout` and `retry_on_crash=False` are for tasks on workers, and a task with `on='coordinator'` runs on "
            "none; leave one of them out"
        )
    inner = _unwrap(fn)
    shown = name or _name(fn)
    kind = _kind(inner)
    result = element_type(inner, streams="generator" in kind)
    return Function(
        fn, shown, kind, count, result, timeout, retry_on_crash, site=site, retry=retry, on_error=_on_error(on_error)
    )


def _on_error(given: object) -> OnError:
    """Return the option; a function or a task becomes a record, as every function of a user does."""
    if isinstance(given, str) and given in ("raise", "skip"):
        return "raise" if given == "raise" else "skip"
    # Importing tasks here would be a circle; they are recognised by the record that they hold.
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
        read_signature(handler.fn).bind(None)
    except TypeError as error:
        raise ParameterError(f"`on_error` calls '{handler.name}' with a `daglite.Failed` alone: {error}") from None
    except ValueError:
        # A builtin without a signature.
        pass


def _site(on: object, workers: object) -> Placement | None:
    """Return where a task asks to run; raise `ParameterError` for values that are not allowed."""
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
    """Return the signature of the function; `UNREAD` for builtins such as `int` and `max`, which have none."""
    try:
        return read_signature(function.fn)
    except (TypeError, ValueError):
        return UNREAD


def fillable(function: Function, taken: Collection[str], count: int) -> list[str]:
    """Return the parameters that `count` values by position may fill, in order; `*args` counts as `*0`, `*1`, ..."""
    parameters = signature_of(function).parameters.values()
    if not any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return free_parameters(function, taken)
    # Parameters after `*args` can be given by name only.
    by_position = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    before = [p.name for p in parameters if p.kind in by_position and p.name not in taken]
    return [*before, *(f"*{place}" for place in range(count - len(before)))]


def free_parameters(function: Function, taken: Collection[str]) -> list[str]:
    """Return the parameters that an item may fill, in order: those for one value that are neither in `taken` nor filled
    by `functools.partial`.
    """
    fn, filled = function.fn, set(taken)
    while isinstance(fn, functools.partial):
        filled.update(fn.keywords)
        fn = fn.func
    parameters = signature_of(function).parameters.values()
    return [p.name for p in parameters if p.name not in filled and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


def suggest(name: str, known: Collection[str]) -> str:
    """Return "; did you mean ...?" for a misspelt name, or nothing."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


def _unwrap(fn: Callable[..., object]) -> Callable[..., object]:
    while isinstance(fn, functools.partial):
        fn = fn.func
    if inspect.isroutine(fn) or inspect.isclass(fn):
        return fn
    # A callable object is what its `__call__` is.
    method: Callable[..., object] = getattr(fn, "__call__", fn)  # noqa: B004
    return method


def _name(fn: Callable[..., object]) -> str:
    """Return the name of the function in a plan; a callable object has the name of its class."""
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
    """Return the kind of a function without `yield` and `async`, by its annotation, as checkers do.

    A function that returns an iterator or a coroutine counts as a generator or an `async def`. `Iterable` does not
    count: a list is one too.
    """
    annotation = fn if inspect.isclass(fn) else annotations_of(fn).get("return")
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
    if issubclass(given, AsyncIterator):
        return "async_generator"
    return "generator" if issubclass(given, Iterator) else "plain"


def _named(text: str, fn: Callable[..., object]) -> object:
    """Return the class that an annotation names, with or without arguments; None when there is none (yet)."""
    match = _WHOLE.match(text)
    if match is None or not _closes_at_end(match[2] or ""):
        return None
    first, *rest = match[1].split(".")
    found = getattr(fn, "__globals__", {}).get(first, getattr(builtins, first, None))
    for name in rest:
        found = getattr(found, name, None)
    return found


def element_type(fn: Callable[..., object], *, streams: bool) -> str:
    """Return the type of the result of `fn` as text, or of one item when it `streams`; "?" if unknown."""
    plain = inspect.unwrap(fn)
    if inspect.isclass(plain):
        return "?" if streams else plain.__name__
    annotation = annotations_of(plain).get("return", inspect.Signature.empty)
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
    """Match an annotation that is a stream as a whole, unlike `Iterator[int] | list[int]`."""
    match = _STREAM_TEXT.match(text)
    return match if match is not None and _closes_at_end(match[3] or "") else None


def _closes_at_end(inside: str) -> bool:
    """Return whether the bracket around a text ends with it: that of `int] | list[int` does not."""
    depth = 0
    for letter in inside:
        depth += (letter == "[") - (letter == "]")
        if depth < 0:
            return False
    return True


def _arguments(text: str) -> list[str]:
    """Split a text at the commas that are not inside brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "[") - (letter == "]")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]
