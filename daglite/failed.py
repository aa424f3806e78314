"""Failed: an item at which a task failed, as a value that goes on in the place of a result."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Generic, NoReturn

from typing_extensions import TypeVar

from daglite.exceptions import Failure, ReplayRecord, TransferError

T_co = TypeVar("T_co", covariant=True, default=Any)

_HEAP_TYPE = 1 << 9
_MOST_LINKS = 16


class Failed(Generic[T_co]):
    """An item at which a task failed, with its `error` and the facts of the `failure`.

    `item` is what the task was given: a tuple where several parameters are mapped, None for a single call of which
    nothing was passed on. The error is the user's own where it can travel, else a `TaskFailedError` that tells of it;
    its traceback is a text in `failure.traceback`, because the real one would keep all that the task held. Two are
    equal when task, index and error are.

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
        """What the task raised."""
        return self._error

    @property
    def failure(self) -> Failure:
        """Task, step, index, attempt, worker and traceback."""
        return self._failure

    @property
    def item(self) -> T_co:
        """What the task was given; raises `TransferError` when it could not be kept."""
        return self._kept.item  # type: ignore[return-value]  # what the constructor was given

    @property
    def kept(self) -> bool:
        """Whether the item is there: one that cannot be pickled stays in its worker."""
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
        # The item goes along once.
        failure = replace(self.failure, kept=None)
        return _failed, (item, _rows(self.error), failure, kept.seed, kept.missing)

    def _same(self) -> tuple[object, ...]:
        return self.task, self.index, type(self.error).__qualname__, _text_of(self.error)

    def without_item(self, reason: str) -> Failed[Any]:
        """The same for an item that cannot be kept."""
        return Failed(None, self.error, self.failure, seed=self._kept.seed, missing=reason)

    def with_error(self, error: Exception) -> Failed[T_co]:
        """The same with an error that tells of one that cannot travel."""
        kept = self._kept
        # Where there is none nobody can ask for it.
        item: Any = None if kept.missing else self.item
        return Failed(item, error, self.failure, seed=kept.seed, missing=kept.missing)


def _failed(item: object, rows: tuple[Any, ...], failure: Failure, seed: int, missing: str) -> Failed[Any]:
    errors = [_revived(*row[:3]) for row in rows]
    for error, (_, _, _, suppress, cause, context) in zip(errors, rows, strict=True):
        set_on(
            error,
            __cause__=None if cause is None else errors[cause],
            __context__=None if context is None else errors[context],
        )
        # Last: setting a cause sets it too.
        set_on(error, __suppress_context__=suppress)
    first = errors[0]
    if not isinstance(first, Exception):
        raise TransferError(f"{first!r} is no Exception")
    return Failed(item, first, failure, seed=seed, missing=missing)


def chain_of(error: BaseException) -> list[BaseException]:
    """The error with its causes and contexts, each once, as far as they go on."""
    found = [error]
    # The list grows while it is walked.
    for each in found:
        for near in (each.__cause__, each.__context__):
            if near is not None and len(found) < _MOST_LINKS and all(near is not one for one in found):
                found.append(near)
    return found


def _rows(error: Exception) -> tuple[tuple[object, ...], ...]:
    """The chain of errors in parts that pickle can take; causes and contexts are named by their places."""
    chain = chain_of(error)
    places = {id(one): place for place, one in enumerate(chain)}
    near = [(one.__suppress_context__, places.get(id(one.__cause__)), places.get(id(one.__context__))) for one in chain]
    return tuple([(*_parts(one), *links) for one, links in zip(chain, near, strict=True)])


def _parts(error: BaseException) -> tuple[object, object, object]:
    if isinstance(error, BaseExceptionGroup) or not pickles_by_default(type(error)):
        # `args` once more: a constructor that makes a text of its arguments would make it twice.
        return error, error.args, getattr(error, "__notes__", None)
    return type(error), error.args, vars(error)


def _revived(first: Any, args: tuple[Any, ...], state: Any) -> BaseException:
    if isinstance(first, BaseException):
        set_on(first, args=args, **({"__notes__": state} if state is not None else {}))
        return first
    return rebuilt(first, args, state)


def rebuilt(cls: type[Any], args: tuple[Any, ...], state: dict[str, object]) -> BaseException:
    """An exception without the user's constructor, but with that of Python, which keeps some attributes hidden."""
    built_in: Any = next(base for base in cls.__mro__ if not base.__flags__ & _HEAP_TYPE)
    error: BaseException = built_in.__new__(cls, *args)
    built_in.__init__(error, *args)
    set_on(error, args=args)
    vars(error).update(state)
    return error


def pickles_by_default(cls: type[BaseException]) -> bool:
    """Whether the user said nothing about pickling; who did is not overruled."""
    written = ("__reduce__", "__reduce_ex__", "__getstate__", "__setstate__", "__getnewargs__", "__getnewargs_ex__")
    return not any(name in vars(base) for base in cls.__mro__ if base.__flags__ & _HEAP_TYPE for name in written)


def set_on(error: BaseException, **values: object) -> None:
    """Set attributes of an exception, also where its class forbids it."""
    for name, value in values.items():
        BaseException.__setattr__(error, name, value)


def _text_of(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except BaseException:
        return type(error).__name__
