"""Exceptions that travel: with their own type, attributes, notes, causes and members, or as facts where they cannot.

Pickle alone drops the causes and the traceback, calls constructors with arguments they may not take, and lets one bad
member spoil a group. Here each exception of the tree is packed by itself, and the others it names as their numbers.
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

_MOST_LINKS = 64
_MOST_ARGUMENTS = 8
_MOST_TEXT = 500
_MOST_TRACE = 50_000
_NOBODY = -1
# An exception is packed with what belongs to it: who reads why it cannot be did not make that tuple.
_OUR_TUPLE = "TransferError: a value of type 'tuple' cannot be pickled: "
# The coordinator would take these for its own.
_STOPS = (StopIteration, StopAsyncIteration)
# Frames between the loop of the worker and the user's function: of no use to whoever reads a traceback.
_OURS = (
    os.path.dirname(os.path.dirname(__file__)) + os.sep,
    os.path.join(os.path.dirname(os.__file__), "asyncio", ""),
    STREAM_FILE,
)


class _ExceptionRecord(NamedTuple):
    """One exception; the others are named by their places in the list. `body` is None for one that cannot travel."""

    body: bytes | None
    facts: str
    cause: int = _NOBODY
    context: int = _NOBODY
    suppress: bool = False
    members: tuple[int, ...] = ()


def pack_error(codec: Codec, error: BaseException) -> bytes:
    """The exception with all that hangs on it, and its traceback as text; never raises."""
    try:
        entries = _entries(codec, error)
    except BaseException as reason:
        entries = [_ExceptionRecord(None, _facts(error, reason))]
    # Texts, numbers and bytes only: this loads, whatever does not.
    return pickle.dumps((_trace(error), [tuple(entry) for entry in entries]))


def unpack_error(codec: Codec, data: bytes) -> tuple[BaseException, str]:
    """The exception to raise and the text of its traceback in the worker; never raises.

    It is a `TaskFailedError` where the exception could not travel, or would be mistaken for the coordinator's own.
    """
    trace, rows = cast("tuple[str, list[tuple[Any, ...]]]", pickle.loads(data))
    entries = [_ExceptionRecord(*row) for row in rows]
    # Whoever sees the outermost only in print wants its traceback too.
    entries[0] = entries[0]._replace(facts=f"{entries[0].facts}\n{trace}")
    try:
        error = _rebuilt(codec, entries)
    except BaseException:
        error = TaskFailedError(entries[0].facts)
    return _raisable(error), trace


def raisable_error(error: BaseException) -> tuple[BaseException, str]:
    """The same for an exception that does not travel: itself where it can be raised in the coordinator."""
    return _raisable(error), _trace(error)


def _raisable(error: BaseException) -> BaseException:
    if isinstance(error, Exception) and not isinstance(error, _STOPS):
        return error
    wrapped = TaskFailedError(f"a task raised {_cut(text_of(error))}")
    wrapped.__cause__ = error
    return wrapped


def _entries(codec: Codec, error: BaseException) -> list[_ExceptionRecord]:
    found, places = [error], {id(error): 0}
    # The list grows while it is walked, so no depth of causes is too deep.
    for each in found:
        members = _members(each)
        for near in (*members, each.__cause__, each.__context__):
            # A group without one of its members would be another group; causes that are far away may be left out.
            wanted = near in members or len(found) < _MOST_LINKS
            if near is not None and id(near) not in places and wanted:
                places[id(near)] = len(found)
                found.append(near)
    return [_entry(codec, each, places) for each in found]


def _entry(codec: Codec, error: BaseException, places: dict[int, int]) -> _ExceptionRecord:
    body, facts = None, ""
    try:
        body = _body(codec, error)
    except BaseException as reason:
        facts = _facts(error, reason)
    cause, context = (places.get(id(near), _NOBODY) for near in (error.__cause__, error.__context__))
    members = tuple(places[id(member)] for member in _members(error))
    return _ExceptionRecord(body, facts or _facts(error, None), cause, context, error.__suppress_context__, members)


def _body(codec: Codec, error: BaseException) -> bytes:
    """The exception without what hangs on it; raises when it would not load."""
    if isinstance(error, BaseExceptionGroup):
        return _checked(codec, error, (type(error), error.message, vars(error)))
    try:
        # `args` once more: a constructor that makes a text of its arguments would make it twice. The notes, because a
        # `__reduce__` of the class's own seldom thinks of them.
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


def _rebuilt(codec: Codec, entries: list[_ExceptionRecord]) -> BaseException:
    made: dict[int, BaseException] = {}
    for place in range(len(entries)):
        _make(codec, entries, made, place)
    for place, entry in enumerate(entries):
        error = made[place]
        set_on(error, __cause__=made.get(entry.cause), __context__=made.get(entry.context))
        # Last: setting a cause sets it too.
        set_on(error, __suppress_context__=entry.suppress)
    return made[0]


def _make(codec: Codec, entries: list[_ExceptionRecord], made: dict[int, BaseException], place: int) -> BaseException:
    if place not in made:
        body, facts, *_, members = entries[place]
        inner = tuple(_make(codec, entries, made, member) for member in members)
        try:
            made[place] = _revived(codec, body, inner) if body is not None else _stand_in(facts, inner)
        except BaseException:
            made[place] = _stand_in(facts, inner)
    return made[place]


def _stand_in(facts: str, members: tuple[BaseException, ...]) -> BaseException:
    return BaseExceptionGroup(facts, members) if members else TaskFailedError(facts)


def _revived(codec: Codec, body: bytes, members: tuple[BaseException, ...]) -> BaseException:
    """The exception of `_body`; raises whatever making it raises."""
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
        # It would repeat the message.
        return ""
    try:
        text = "".join(traceback.format_exception(type(error), error, frames))
    except BaseException:
        text = f"{type(error).__name__}, whose traceback cannot be printed\n"
    half = _MOST_TRACE // 2
    return text if len(text) <= _MOST_TRACE else f"{text[:half]}\n...\n{text[-half:]}"


def _users_frames(error: BaseException) -> TracebackType | None:
    """The traceback from the first frame of the user's on."""
    found = error.__traceback__
    innermost = ""
    while found is not None and (innermost := found.tb_frame.f_code.co_filename).startswith(_OURS):
        found = found.tb_next
    # Without a frame of the user's it is a function in C that raised, or a word of ours; anything else is our mistake,
    # and to be seen.
    plain = isinstance(error, DagliteError) or innermost == STREAM_FILE
    return found if found is not None or plain else error.__traceback__


def _facts(error: BaseException, reason: BaseException | None) -> str:
    # Not the members of a group, nor theirs: they have facts of their own.
    arguments = (error.message,) if isinstance(error, BaseExceptionGroup) else BaseException.__reduce__(error)[1]
    shown = ", ".join(_cut(_repr(each)) for each in arguments[:_MOST_ARGUMENTS])
    what = f"{type(error).__qualname__}({shown})"
    return f"{what} cannot travel" + (f": {_cut(text_of(reason).removeprefix(_OUR_TUPLE))}" if reason else "")


def _repr(value: object) -> str:
    try:
        # Plain text, even if it is of a class of its own.
        return str.__str__(repr(value))
    except BaseException:
        return f"<{type(value).__name__}>"


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_TEXT else text[: _MOST_TEXT - 3] + "..."
