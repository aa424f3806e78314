"""Exceptions on their way home: as themselves with all that hangs on them, or as facts."""

from __future__ import annotations

import asyncio
import copyreg
import errno
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, strategies as st
from tblib import pickling_support  # type: ignore[import-untyped]  # it has no stubs

from daglite.exceptions import Failure, TaskFailedError, attach_failure, failure_of
from daglite.runtime.serialization.exceptions import pack_error, unpack_error
from daglite.runtime.serialization.pickler import Codec


class TwoError(Exception):
    """Stores another number of arguments than it takes."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} and {second}")
        self.extra = [first, second]


class CodeError(Exception):
    """Would make its text twice if it were made again."""

    def __init__(self, code: object) -> None:
        super().__init__(f"code {code}")


class NewError(Exception):
    def __new__(cls, one: str, two: str) -> NewError:
        return super().__new__(cls, one)

    def __init__(self, one: str, two: str) -> None:
        super().__init__(one)


class StubbornError(Exception):
    def __reduce__(self) -> Any:
        raise RuntimeError("not me")


class ForeignError(Exception):
    """Says itself how it is pickled, and comes back as something else."""

    def __reduce__(self) -> Any:
        return str, ("x",)


class MuteError(Exception):
    def __str__(self) -> str:
        raise SystemExit(9)

    __repr__ = __str__


class FrozenError(Exception):
    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(name)


class OddGroup(ExceptionGroup[Exception]):
    def __new__(cls, text: str, members: list[Exception], code: int) -> OddGroup:
        made = super().__new__(cls, text, members)
        made.code = code
        return made

    def __init__(self, text: str, members: list[Exception], code: int) -> None:
        super().__init__(text, members)

    code: int


class UnreadableAttribute:
    def __setstate__(self, state: object) -> None:
        raise ValueError("no")

    def __getstate__(self) -> object:
        return {"a": 1}

    def __repr__(self) -> str:
        raise ValueError("no")


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


def chained() -> Exception:
    try:
        try:
            raise KeyError("inner")
        except KeyError as inner:
            raise TwoError("a", "b") from inner
    except TwoError:
        try:
            raise ValueError("outer")
        except ValueError as outer:
            return outer


def home(error: BaseException) -> Any:
    """The exception as the coordinator gets it."""
    there, here = Codec("there"), Codec("here")
    data = pack_error(there, error)
    for definition in there.definitions:
        here.add_definition(definition)
    return unpack_error(here, data)[0]


@pytest.mark.parametrize(
    "error",
    [
        ValueError("bad", 3),
        KeyError("k"),
        TwoError("a", "b"),
        CodeError(5),
        NewError("a", "b"),
        OSError(errno.ENOENT, "gone", "file"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "why"),
        json.JSONDecodeError("text", "doc", 1),
        ImportError("no", name="mod", path="p"),
        MuteError("x"),
        FrozenError("x"),
        Exception(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_exception_keeps_its_type_arguments_and_attributes(error: Exception) -> None:
    vars(error)["__notes__"] = ["a note"]
    copy = home(raised(error))
    assert type(copy) is type(error)
    assert copy is not error
    assert copy.args == error.args
    assert vars(copy) == vars(error)
    for name in ("errno", "filename", "start", "object", "name", "path"):
        assert getattr(copy, name, None) == getattr(error, name, None)


def test_causes_contexts_and_notes_stay() -> None:
    error = chained()
    error.add_note("a note")
    copy = home(error)
    assert (type(copy), copy.args, copy.__notes__) == (ValueError, ("outer",), ["a note"])
    assert (copy.__cause__, copy.__suppress_context__) == (None, False)
    inner = copy.__context__
    assert (type(inner), inner.extra, inner.__suppress_context__) == (TwoError, ["a", "b"], True)
    assert type(inner.__cause__) is KeyError
    assert inner.__cause__ is inner.__context__
    quiet = ValueError("x")
    quiet.__suppress_context__ = True
    assert home(quiet).__suppress_context__


def test_the_traceback_comes_as_text() -> None:
    codec = Codec("a")
    _, trace = unpack_error(codec, pack_error(codec, chained()))
    assert "in chained" in trace
    assert "KeyError: 'inner'" in trace
    assert trace.rstrip().endswith("ValueError: outer")


def test_a_local_class_is_caught_by_its_name() -> None:
    class OwnError(Exception):
        pass

    codec, worker = Codec("c"), Codec("w")
    codec.dumps(OwnError)
    for definition in codec.definitions:
        worker.add_definition(definition)
    own: Any = worker.loads(codec.dumps(OwnError))
    with pytest.raises(OwnError, match=r"^there$"):
        raise unpack_error(codec, pack_error(worker, own("there")))[0]


def test_facts_stay_with_the_error() -> None:
    error = ValueError("x")
    attach_failure(error, Failure("t", index=3))
    assert failure_of(home(error)) == Failure("t", index=3)


def test_groups_keep_their_members_and_what_hangs_on_them() -> None:
    member = chained()
    group = ExceptionGroup("some", [TwoError("a", "b"), ExceptionGroup("inner", [member])])
    group.add_note("a note")
    copy = home(raised(group))
    assert (type(copy), copy.message, copy.__notes__) == (ExceptionGroup, "some", ["a note"])
    first, inner = copy.exceptions
    assert (type(first), first.extra) == (TwoError, ["a", "b"])
    assert type(inner.exceptions[0]) is ValueError
    assert type(inner.exceptions[0].__context__) is TwoError
    odd = home(OddGroup("odd", [ValueError("x")], 7))
    assert (type(odd), odd.message, odd.code, str(odd.exceptions[0])) == (OddGroup, "odd", 7, "x")


def test_one_bad_member_does_not_spoil_a_group() -> None:
    copy = home(ExceptionGroup("some", [ValueError("x"), StubbornError("y")]))
    assert type(copy) is ExceptionGroup
    assert [type(each) for each in copy.exceptions] == [ValueError, TaskFailedError]
    bad = ExceptionGroup("some", [ValueError("x")])
    vars(bad)["lock"] = threading.Lock()
    copy = home(bad)
    assert isinstance(copy, ExceptionGroup)
    assert "cannot pickle '_thread.lock'" in copy.message
    assert [str(each) for each in copy.exceptions] == ["x"]


def with_attribute(value: object) -> Exception:
    error = TwoError("a", "b")
    error.extra.append(value)  # type: ignore[arg-type]
    return error


@pytest.mark.parametrize(
    ("make", "facts"),
    [
        (lambda: with_attribute(threading.Lock()), ["TwoError('a and b')", "_thread.lock"]),
        (lambda: with_attribute(UnreadableAttribute()), ["TwoError('a and b')", "ValueError: no"]),
        (lambda: ValueError(threading.Lock()), ["ValueError(<unlocked _thread.lock"]),
        (lambda: ValueError(UnreadableAttribute()), ["ValueError(<UnreadableAttribute>)"]),
        (lambda: StubbornError("y"), ["StubbornError('y')", "RuntimeError: not me"]),
        (lambda: ForeignError("y"), ["ForeignError('y')"]),
    ],
)
def test_what_cannot_travel_is_told_as_facts(make: Callable[[], Exception], facts: list[str]) -> None:
    """Type, arguments, reason and traceback are in the message; what else hangs on it still comes as itself."""
    error = make()
    error.__cause__ = KeyError("cause")
    copy = home(raised(error))
    assert type(copy) is TaskFailedError
    for fact in [*facts, "cannot be sent back", "Traceback (most recent call last)", "in raised"]:
        assert fact in str(copy)
    assert "tuple" not in str(copy)
    assert type(copy.__cause__) is KeyError
    wrapper = ValueError("outer")
    wrapper.__cause__ = make()
    assert type(home(wrapper).__cause__) is TaskFailedError


@pytest.mark.parametrize(
    "error",
    [
        SystemExit(3),
        KeyboardInterrupt("x"),
        GeneratorExit("x"),
        StopIteration(5),
        StopAsyncIteration("x"),
        asyncio.CancelledError("x"),
        BaseExceptionGroup("x", [KeyboardInterrupt()]),
        BaseException("x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_the_coordinator_would_take_for_its_own_is_wrapped(error: BaseException) -> None:
    copy = home(raised(error))
    assert type(copy) is TaskFailedError
    assert str(copy).startswith(f"a task raised {type(error).__name__}")
    assert type(copy.__cause__) is type(error)
    assert str(copy.__cause__) == str(error)
    assert getattr(copy.__cause__, "code", None) == getattr(error, "code", None)


@pytest.mark.parametrize("error", [SystemExit(3), UnicodeDecodeError("utf-8", b"x", 0, 1, "why"), OSError(2, "no")])
def test_a_library_that_pickles_all_exceptions_its_own_way_changes_nothing(error: BaseException) -> None:
    """As `distributed` does when it is imported."""
    known = dict(copyreg.dispatch_table)
    pickling_support.install()
    try:
        copy = home(raised(error))
    finally:
        copyreg.dispatch_table.clear()
        copyreg.dispatch_table.update(known)
    copy = copy.__cause__ if isinstance(copy, TaskFailedError) and copy.__cause__ else copy

    assert type(copy) is type(error)
    assert copy.args == error.args
    assert getattr(copy, "code", None) == getattr(error, "code", None)


def test_a_class_that_cannot_be_built_here_is_told_as_facts() -> None:
    class OwnError(Exception):
        pass

    data = pack_error(Codec("w"), raised(OwnError("why")))
    error, trace = unpack_error(Codec("c"), data)
    assert type(error) is TaskFailedError
    assert "OwnError('why')" in str(error)
    assert trace in str(error)


def test_cycles_and_long_chains_end() -> None:
    first, second = ValueError("1"), ValueError("2")
    first.__context__, second.__context__ = second, first
    copy = home(first)
    assert copy.__context__.__context__ is copy
    link: BaseException | None = ValueError(0)
    top = link
    for i in range(1, 3000):
        below, link = link, ValueError(i)
        link.__cause__ = below
        top = link
    assert top is not None
    copy, seen = home(top), 0
    while copy is not None:
        copy, seen = copy.__cause__, seen + 1
    assert 10 < seen < 3000


def test_a_tower_of_groups_is_told_somehow() -> None:
    tower: Exception = ValueError("x")
    for _ in range(3000):
        tower = ExceptionGroup("g", [tower])
    assert isinstance(home(tower), Exception)


VALUES = st.none() | st.integers() | st.text() | st.binary() | st.lists(st.integers())
KINDS = st.sampled_from([ValueError, KeyError, OSError, CodeError, MuteError, RuntimeError, LookupError])


@given(KINDS, st.lists(VALUES, max_size=4), st.dictionaries(st.text(min_size=1), VALUES), st.lists(st.text()))
def test_any_plain_exception_comes_home(
    kind: type[Exception], arguments: list[object], attributes: dict[str, object], notes: list[str]
) -> None:
    """Law: arguments, attributes and notes are equal, whatever the class makes of its arguments."""
    error = kind(*arguments) if kind is not CodeError else CodeError(arguments)
    vars(error).update(attributes)
    for note in notes:
        error.add_note(note)
    copy = home(error)
    assert (type(copy), copy.args, vars(copy)) == (type(error), error.args, vars(error))
