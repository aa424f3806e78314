"""Send exceptions back with their type, attributes, notes, causes and members, or their facts as text.

Pickle alone drops the causes and the traceback, calls constructors with arguments that they may not take, and fails for
a whole group if one member cannot be pickled. Here each exception of the tree is packed by itself; it refers to the
others by their numbers.
"""

from __future__ import annotations

import os
import pickle
import traceback
from types import TracebackType
from typing import Any, NamedTuple, cast

from daglite.codegen import STREAM_FILE
from daglite.exceptions import DagliteError, TaskFailedError
from daglite.failed import pickles_by_default, rebuilt, set_on
from daglite.runtime.serialization.batch_format import text_of
from daglite.runtime.serialization.pickler import Codec

_MAX_LINKS = 64
_MAX_ARGUMENTS = 8
_MAX_TEXT = 500
_MAX_TRACE = 50_000
_NONE = -1
# An exception is pickled in a tuple of this module, which the reason must not mention.
_OUR_TUPLE = "TransferError: a value of type 'tuple' cannot be pickled: "
# Raised in the coordinator, these would end its own iterators.
_STOPS = (StopIteration, StopAsyncIteration)
# Frames between the loop of the worker and the user's function are left out of tracebacks.
_OURS = (
    os.path.dirname(os.path.dirname(__file__)) + os.sep,
    os.path.join(os.path.dirname(os.__file__), "asyncio", ""),
    STREAM_FILE,
)


class _ExceptionRecord(NamedTuple):
    """One exception, with the positions of others in the list. `body` is None if it cannot be pickled."""

    body: bytes | None
    facts: str
    cause: int = _NONE
    context: int = _NONE
    suppress: bool = False
    members: tuple[int, ...] = ()


def pack_error(codec: Codec, error: BaseException) -> bytes:
    """Pack an exception with its causes, contexts and members, and its traceback as text; never raises."""
    try:
        records = _records(codec, error)
    except BaseException as reason:
        records = [_ExceptionRecord(None, _facts(error, reason))]
    # Texts, numbers and bytes only: these always load.
    return pickle.dumps((_trace(error), [tuple(record) for record in records]))


def unpack_error(codec: Codec, data: bytes) -> tuple[BaseException, str]:
    """Return the exception to raise and the text of its traceback in the worker; never raises.

    The exception is a `TaskFailedError` where it could not be sent, or would be mistaken for one of the coordinator.
    """
    trace, rows = cast("tuple[str, list[tuple[Any, ...]]]", pickle.loads(data))
    records = [_ExceptionRecord(*row) for row in rows]
    # The outermost may only be printed, and then shows its traceback too.
    records[0] = records[0]._replace(facts=f"{records[0].facts}\n{trace}")
    try:
        error = _rebuilt(codec, records)
    except BaseException:
        error = TaskFailedError(records[0].facts)
    return _raisable(error), trace


def raisable_error(error: BaseException) -> tuple[BaseException, str]:
    """Return the same for an exception of this process: itself where it can be raised in the coordinator."""
    return _raisable(error), _trace(error)


def _raisable(error: BaseException) -> BaseException:
    if isinstance(error, Exception) and not isinstance(error, _STOPS):
        return error
    wrapped = TaskFailedError(f"a task raised {_cut(text_of(error))}")
    wrapped.__cause__ = error
    return wrapped


def _records(codec: Codec, error: BaseException) -> list[_ExceptionRecord]:
    found, places = [error], {id(error): 0}
    # The list grows while it is walked, so no depth of causes is too deep.
    for each in found:
        members = _members(each)
        for near in (*members, each.__cause__, each.__context__):
            # A group needs all of its members; distant causes may be left out.
            wanted = near in members or len(found) < _MAX_LINKS
            if near is not None and id(near) not in places and wanted:
                places[id(near)] = len(found)
                found.append(near)
    return [_record(codec, each, places) for each in found]


def _record(codec: Codec, error: BaseException, places: dict[int, int]) -> _ExceptionRecord:
    body, facts = None, ""
    try:
        body = _body(codec, error)
    except BaseException as reason:
        facts = _facts(error, reason)
    cause, context = (places.get(id(near), _NONE) for near in (error.__cause__, error.__context__))
    members = tuple(places[id(member)] for member in _members(error))
    return _ExceptionRecord(body, facts or _facts(error, None), cause, context, error.__suppress_context__, members)


def _body(codec: Codec, error: BaseException) -> bytes:
    """Pickle an exception without its causes and members; raises when it would not load."""
    if isinstance(error, BaseExceptionGroup):
        return _checked(codec, error, (type(error), error.message, vars(error)))
    try:
        # With `args`: a constructor that makes a text of its arguments would make it twice. With the notes, because a
        # `__reduce__` of the class seldom includes them.
        return _checked(codec, error, (error, error.args, getattr(error, "__notes__", None)))
    except Exception:
        if not pickles_by_default(type(error)):
            raise
        return _checked(codec, error, (type(error), error.args, vars(error)))


def _checked(codec: Codec, error: BaseException, parts: tuple[object, ...]) -> bytes:
    body = codec.dumps(parts)
    copy = _revived(codec, body, _members(error))
    if type(copy) is not type(error):
        raise TypeError(f"it comes back as {type(copy).__name__}")
    return body


def _rebuilt(codec: Codec, records: list[_ExceptionRecord]) -> BaseException:
    made: dict[int, BaseException] = {}
    for place in range(len(records)):
        _make(codec, records, made, place)
    for place, record in enumerate(records):
        error = made[place]
        set_on(error, __cause__=made.get(record.cause), __context__=made.get(record.context))
        # Set last: setting a cause sets it too.
        set_on(error, __suppress_context__=record.suppress)
    return made[0]


def _make(codec: Codec, records: list[_ExceptionRecord], made: dict[int, BaseException], place: int) -> BaseException:
    if place not in made:
        body, facts, *_, members = records[place]
        inner = tuple(_make(codec, records, made, member) for member in members)
        try:
            made[place] = _revived(codec, body, inner) if body is not None else _stand_in(facts, inner)
        except BaseException:
            made[place] = _stand_in(facts, inner)
    return made[place]


def _stand_in(facts: str, members: tuple[BaseException, ...]) -> BaseException:
    return BaseExceptionGroup(facts, members) if members else TaskFailedError(facts)


def _revived(codec: Codec, body: bytes, members: tuple[BaseException, ...]) -> BaseException:
    """Make the exception of `_body`; raises whatever its constructor raises."""
    first, second, third = cast("tuple[Any, Any, Any]", codec.loads(body))
    if isinstance(first, BaseException):
        set_on(first, args=second, **{"__notes__": third} if third is not None else {})
        return first
    if issubclass(first, BaseExceptionGroup):
        group: BaseException = BaseExceptionGroup.__new__(first, second, members)
        vars(group).update(third)
        return group
    return rebuilt(first, second, third)


def _members(error: BaseException) -> tuple[BaseException, ...]:
    return error.exceptions if isinstance(error, BaseExceptionGroup) else ()


def _trace(error: BaseException) -> str:
    frames = _users_frames(error)
    if frames is None and isinstance(error, DagliteError):
        # A traceback would only repeat the message.
        return ""
    try:
        text = "".join(traceback.format_exception(type(error), error, frames))
    except BaseException:
        text = f"{type(error).__name__}, whose traceback cannot be printed\n"
    half = _MAX_TRACE // 2
    return text if len(text) <= _MAX_TRACE else f"{text[:half]}\n...\n{text[-half:]}"


def _users_frames(error: BaseException) -> TracebackType | None:
    """Return the traceback from the first frame of the user's code on."""
    found = error.__traceback__
    innermost = ""
    while found is not None and (innermost := found.tb_frame.f_code.co_filename).startswith(_OURS):
        found = found.tb_next
    # Without a frame of the user's code, a function in C raised it, or daglite did. Anything else is a bug of daglite,
    # and is shown.
    plain = isinstance(error, DagliteError) or innermost == STREAM_FILE
    return found if found is not None or plain else error.__traceback__


def _facts(error: BaseException, reason: BaseException | None) -> str:
    # Without the members of a group, which have facts of their own.
    arguments = (error.message,) if isinstance(error, BaseExceptionGroup) else BaseException.__reduce__(error)[1]
    shown = ", ".join(_cut(_repr(each)) for each in arguments[:_MAX_ARGUMENTS])
    what = f"{type(error).__qualname__}({shown})"
    return f"{what} cannot be sent back" + (f": {_cut(text_of(reason).removeprefix(_OUR_TUPLE))}" if reason else "")


def _repr(value: object) -> str:
    try:
        # Plain text, even if `repr` returns a subclass of `str`.
        return str.__str__(repr(value))
    except BaseException:
        return f"<{type(value).__name__}>"


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 3] + "..."
