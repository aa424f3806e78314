"""Failed: an item at which a task failed, as a value in the place of its result."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Generic, NoReturn

from typing_extensions import TypeVar

from daglite.exceptions import Failure, ReplayRecord, TransferError

T_co = TypeVar("T_co", covariant=True, default=Any)

_HEAP_TYPE = 1 << 9
_MOST_CAUSES = 16


class Failed(Generic[T_co]):
    """An item at which a task failed, with its `error` and the facts of the `failure`.

    `item` is the input of the task: a tuple where several parameters are mapped, None for a single call without an
    item. `error` is the exception itself where it can be serialized, else a `TaskFailedError` that describes it. Its
    traceback is a text, `failure.traceback`, because a traceback object would keep everything that the task held. Two
    are equal when their tasks, indices and errors are.

    >>> failed = Failed("x", ValueError("no number"), Failure("price", index=3))
    >>> failed
    Failed(task 'price', item 3, ValueError: no number)
    >>> failed.item
    'x'
    """

    __slots__ = ("_error", "_failure", "_kept")

    _error: Exception
    _failure: Failure
    _kept: ReplayRecord

    def __init__(self, item: T_co, error: Exception, failure: Failure, *, seed: int = 0, missing: str = "") -> None:
        put = object.__setattr__
        kept = ReplayRecord(-1 if failure.step is None else failure.step, item, seed, missing)
        put(self, "_error", error)
        put(self, "_failure", replace(failure, kept=kept))
        put(self, "_kept", kept)

    @property
    def error(self) -> Exception:
        """The exception that the task raised."""
        return self._error

    @property
    def failure(self) -> Failure:
        """Task, step, index, attempt, worker and traceback."""
        return self._failure

    @property
    def item(self) -> T_co:
        """The input of the task; raises `TransferError` when it was not kept."""
        return self._kept.item  # type: ignore[return-value]  # the constructor's `item`

    @property
    def kept(self) -> bool:
        """Whether `item` is available: an item that cannot be pickled stays in its worker."""
        return not self._kept.missing

    @property
    def task(self) -> str:
        """The name of the task that failed."""
        return self.failure.task

    @property
    def index(self) -> int | None:
        """The index of the item in its source."""
        return self.failure.index

    def __setattr__(self, name: str, _: object) -> NoReturn:
        raise AttributeError(f"cannot assign to field {name!r}: Failed is frozen")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"cannot delete field {name!r}: Failed is frozen")

    def __repr__(self) -> str:
        where = "" if self.index is None else f", item {self.index}"
        return f"Failed(task '{self.task}'{where}, {_text_of(self.error)})"

    def __eq__(self, other: object) -> bool:
        return self._same() == other._same() if isinstance(other, Failed) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._same())

    def __reduce__(self) -> tuple[object, ...]:
        kept = self._kept
        item = None if kept.missing else kept.item
        # The item is pickled once.
        failure = replace(self.failure, kept=None)
        return _failed, (item, _rows(self.error), failure, kept.seed, kept.missing)

    def _same(self) -> tuple[object, ...]:
        return self.task, self.index, type(self.error).__qualname__, _text_of(self.error)

    def without_item(self, reason: str) -> Failed[Any]:
        """Return a copy without the item; `reason` says why it cannot be kept."""
        return Failed(None, self.error, self.failure, seed=self._kept.seed, missing=reason)

    def with_error(self, error: Exception) -> Failed[T_co]:
        """Return a copy with `error` in the place of an exception that cannot be serialized."""
        kept = self._kept
        item: Any = None if kept.missing else self.item
        return Failed(item, error, self.failure, seed=kept.seed, missing=kept.missing)


def _failed(item: object, rows: tuple[Any, ...], failure: Failure, seed: int, missing: str) -> Failed[Any]:
    errors = [_restored(*row[:3]) for row in rows]
    for error, (_, _, _, suppress, cause, context) in zip(errors, rows, strict=True):
        set_on(
            error,
            __cause__=None if cause is None else errors[cause],
            __context__=None if context is None else errors[context],
        )
        # Last, because setting a cause sets it too.
        set_on(error, __suppress_context__=suppress)
    first = errors[0]
    if not isinstance(first, Exception):
        raise TransferError(f"{first!r} is no Exception")
    return Failed(item, first, failure, seed=seed, missing=missing)


def chain_of(error: BaseException) -> list[BaseException]:
    """Return the error with its causes and contexts, each once, up to a limit."""
    found = [error]
    # The list grows while it is walked.
    for each in found:
        for near in (each.__cause__, each.__context__):
            if near is not None and len(found) < _MOST_CAUSES and all(near is not one for one in found):
                found.append(near)
    return found


def _rows(error: Exception) -> tuple[tuple[object, ...], ...]:
    """Return the chain of errors in a form that pickle can write; causes and contexts are indices into the chain."""
    chain = chain_of(error)
    indices = {id(one): index for index, one in enumerate(chain)}
    return tuple(
        [
            (*_fields(one), one.__suppress_context__, indices.get(id(one.__cause__)), indices.get(id(one.__context__)))
            for one in chain
        ]
    )


def _fields(error: BaseException) -> tuple[object, object, object]:
    if isinstance(error, BaseExceptionGroup) or not pickles_by_default(type(error)):
        # With `args`, as a constructor that formats its arguments would format them twice.
        return error, error.args, getattr(error, "__notes__", None)
    return type(error), error.args, vars(error)


def _restored(first: Any, args: tuple[Any, ...], state: Any) -> BaseException:
    if isinstance(first, BaseException):
        set_on(first, args=args, **({"__notes__": state} if state is not None else {}))
        return first
    return rebuilt(first, args, state)


def rebuilt(cls: type[Any], args: tuple[Any, ...], state: dict[str, object]) -> BaseException:
    """Return an exception made by the constructor of its built-in base, which has hidden attributes, not by its own."""
    built_in: Any = next(base for base in cls.__mro__ if not base.__flags__ & _HEAP_TYPE)
    error: BaseException = built_in.__new__(cls, *args)
    built_in.__init__(error, *args)
    set_on(error, args=args)
    vars(error).update(state)
    return error


def pickles_by_default(cls: type[BaseException]) -> bool:
    """Return whether no class of the user's defines how the exception is pickled."""
    written = ("__reduce__", "__reduce_ex__", "__getstate__", "__setstate__", "__getnewargs__", "__getnewargs_ex__")
    return not any(name in vars(base) for base in cls.__mro__ if base.__flags__ & _HEAP_TYPE for name in written)


def set_on(error: BaseException, **values: object) -> None:
    """Set attributes of an exception, even where its class refuses it."""
    for name, value in values.items():
        BaseException.__setattr__(error, name, value)


def _text_of(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except BaseException:
        return type(error).__name__
