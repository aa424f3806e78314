"""Errors on the wire: an exception arrives as itself, or, where it cannot, as everything that is known about it."""

from __future__ import annotations

import traceback
from typing import Any, NamedTuple, cast

from daglite.exceptions import TaskFailedError
from daglite.runtime.wire import Codec

__all__ = ["pack_error", "unpack_error"]

_DEEPEST = 20


class _Packed(NamedTuple):
    """One exception: its pickle (None: cannot travel), what can be said about it, and the ones behind it."""

    body: bytes | None
    text: str
    trace: str
    cause: _Packed | None
    context: _Packed | None
    suppress: bool


def pack_error(codec: Codec, error: BaseException) -> bytes:
    """An exception as bytes, with its attributes, notes, causes and the text of its traceback. Never raises."""
    return codec.dumps(_plain(_pack(codec, error, 0)))


def unpack_error(codec: Codec, data: bytes) -> tuple[BaseException, str]:
    """The exception to raise and the text of its traceback in the worker.

    What could not travel, and what would be mistaken for the coordinator's own (`SystemExit`, `StopIteration` ...),
    arrives as a `TaskFailedError`; in the second case the original is its `__cause__`.
    """
    packed = _packed(cast("tuple[object, ...]", codec.loads(data)))
    error = _unpack(codec, packed)
    if isinstance(error, Exception) and not isinstance(error, StopIteration | StopAsyncIteration):
        return error, packed.trace
    wrapped = TaskFailedError(f"the task raised {packed.text}")
    wrapped.__cause__ = error
    return wrapped, packed.trace


def _pack(codec: Codec, error: BaseException, depth: int) -> _Packed:
    cause, context = error.__cause__, error.__context__
    return _Packed(
        _body(codec, error),
        _text(error),
        _trace(error) if depth == 0 else "",
        _pack(codec, cause, depth + 1) if cause is not None and depth < _DEEPEST else None,
        _pack(codec, context, depth + 1) if context is not None and context is not cause and depth < _DEEPEST else None,
        error.__suppress_context__,
    )


def _body(codec: Codec, error: BaseException) -> bytes | None:
    """The exception's own pickle, else its parts; only what was seen to load goes out."""
    for value in (error, _parts(error)):
        try:
            body = codec.dumps(value)
            if type(_rebuilt(codec.loads(body))) is type(error):
                return body
        except BaseException:  # whatever a foreign `__reduce__` or `__init__` raises: try the next way
            continue
    return None


def _parts(error: BaseException) -> tuple[type[BaseException], tuple[object, ...], dict[str, object]]:
    return type(error), error.args, dict(getattr(error, "__dict__", {}))


def _rebuilt(value: object) -> BaseException:
    """An exception whose constructor does not take what it stored is rebuilt without calling it."""
    if isinstance(value, BaseException):
        return value
    kind, args, state = cast("tuple[type[BaseException], tuple[object, ...], dict[str, object]]", value)
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


def _unpack(codec: Codec, packed: _Packed) -> BaseException:
    error: BaseException
    if packed.body is None:
        error = TaskFailedError(f"the task raised {packed.text}, which cannot be pickled")
    else:
        try:
            error = _rebuilt(codec.loads(packed.body))
        except BaseException as reason:
            error = TaskFailedError(f"the task raised {packed.text}, which cannot be loaded here: {_text(reason)}")
    error.__cause__ = _unpack(codec, packed.cause) if packed.cause is not None else None
    error.__context__ = _unpack(codec, packed.context) if packed.context is not None else error.__cause__
    error.__suppress_context__ = packed.suppress
    return error


def _plain(packed: _Packed | None) -> tuple[object, ...] | None:
    if packed is None:
        return None
    return (*packed[:3], _plain(packed.cause), _plain(packed.context), packed.suppress)


def _packed(plain: tuple[object, ...]) -> _Packed:
    body, text, trace, cause, context, suppress = cast("tuple[bytes | None, str, str, Any, Any, bool]", plain)
    return _Packed(
        body, text, trace, _packed(cause) if cause else None, _packed(context) if context else None, suppress
    )


def _text(error: BaseException) -> str:
    try:
        return f"{type(error).__qualname__}: {error}"
    except Exception:
        return f"{type(error).__qualname__} (its text cannot be shown), with {len(error.args)} arguments"


def _trace(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))
    except Exception:
        return "".join(traceback.format_tb(error.__traceback__))
