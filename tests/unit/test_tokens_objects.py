"""Tokens of objects: reasons, hooks, tasks, and when two things are the same."""

from __future__ import annotations

import enum
import functools
import math
import pickle
import threading
import typing
from dataclasses import dataclass
from typing import Any

import dill
import pytest

from daglite import Retry
from daglite.functions import Function, describe
from daglite.records import replace
from daglite.tokens import UnstableValue, same_function, same_value, token
from tests.token_samples import adder, record


class Locked:
    def __init__(self) -> None:
        self.lock = threading.Lock()


@dataclass
class Moody:
    size: int

    def __getattribute__(self, name: str) -> object:
        if name == "size":
            raise OSError("asleep")
        return super().__getattribute__(name)

    def __setattr__(self, name: str, value: object) -> None:
        """Keeps nothing."""


class Loud:
    def __reduce_ex__(self, protocol: typing.SupportsIndex) -> str:
        raise KeyError("no")


LOCK = threading.Lock()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (LOCK, "the value is a '_thread.lock', which has no stable token"),
        (adder(LOCK), "closure value 'step' of function '<lambda>' is a '_thread.lock', which has no stable token"),
        (record(adder(LOCK)), "closure value 'step' of task 'f' is a '_thread.lock', which has no stable token"),
        (record(adder(Locked())), "attribute 'lock' of closure value 'step' of task 'f' is a '_thread.lock', which"),
        (record(functools.partial(max, LOCK)), "item 0 of arguments of task 'f' is a '_thread.lock', which"),
        (lambda x=LOCK: x, "default of 'x' of function '<lambda>' is a '_thread.lock', which"),
        (type("Made", (), {"lock": LOCK}), "attribute 'lock' of class 'Made' is a '_thread.lock', which"),
        ({"a": [1, {2: LOCK}]}, "an entry of item 1 of entry 'a' of the value is a '_thread.lock', which"),
        (object(), "the value is a bare 'object', which is known by its identity only"),
        ((x for x in "a"), "the value is a 'generator', which has no stable token"),
        (memoryview(b"a"), "the value is a 'memoryview', which has no stable token"),
        (Moody(1), r"the value is a '[\w.]*Moody', which raised OSError: asleep"),
        ([Loud()], r"item 0 of the value is a '[\w.]*Loud', which has no stable token"),
    ],
)
def test_reason_says_where_and_what(value: object, reason: str) -> None:
    with pytest.raises(UnstableValue, match=f"^{reason}"):
        token(value)


def test_reason_stays_short() -> None:
    nested: object = LOCK
    for _ in range(5000):
        nested = [nested]
    with pytest.raises(UnstableValue, match=r"^(item 0 of ){4}… of the value is a '_thread\.lock'"):
        token(nested)


class Model:
    def __init__(self, path: str, answer: object = None) -> None:
        self.path, self.answer, self.lock = path, answer, threading.Lock()

    def __daglite_token__(self) -> object:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.path, self.answer


class OtherModel(Model):
    pass


def test_hook_gives_token() -> None:
    assert token(Model("a")) == token(Model("a")) == token(Model("a"))
    assert len({token(Model("a")), token(Model("b")), token(OtherModel("a")), token(("a", None))}) == 4
    assert token(Model)  # the class itself is a class


def test_failing_hook_gives_reason() -> None:
    with pytest.raises(UnstableValue, match=r"a '.*Model' whose `__daglite_token__` raised OSError: gone"):
        token(Model("a", OSError("gone")))
    with pytest.raises(UnstableValue, match=r"a '.*Model' that says: not today"):
        token(Model("a", UnstableValue("not today")))
    with pytest.raises(UnstableValue, match=r"item 1 of the value is a '_thread\.lock'"):
        token(Model("a", LOCK))


class Task:
    """What a task is to `token`: anything with a record."""

    def __init__(self, function: Function) -> None:
        self.function = function


def test_task_is_its_record() -> None:
    first = record(adder(1))
    assert token(Task(first)) == token(first) == token(record(adder(1)))
    others = [record(adder(1), name="g"), record(adder(1), retries=1), record(adder(2)), adder(1)]
    assert len({token(first), *map(token, others)}) == 5
    assert token(replace(first, result="int")) != token(first)
    assert token(replace(first, kind="async")) != token(first)


def test_same_function_needs_equal_record() -> None:
    first = record(adder(1))
    assert same_function(first, first)
    assert same_function(first, record(adder(1)))
    for other in (record(adder(1), name="g"), record(adder(1), retries=1), record(adder(2))):
        assert not same_function(first, other)
    options: list[dict[str, Any]] = [
        {"retries": Retry()}, {"retries": Retry(on=(OSError,))}, {"on_error": "skip"}, {"on_error": adder(1)},
        {"on_error": adder(2)}, {},
    ]  # fmt: skip
    different = [describe(adder(1), **each) for each in options]
    assert len({*map(token, different)}) == 6
    for left, one in enumerate(different):
        again = describe(adder(1), **options[left])
        assert [same_function(one, other) for other in different] == [left == right for right in range(6)]
        assert same_function(one, again)
        assert token(one) == token(again)
    unstable = adder(LOCK)
    assert same_function(record(unstable), record(unstable))
    assert not same_function(record(unstable), record(adder(LOCK)))


class Vague:
    """Has no plain answer to `==`, like an array, and no token."""

    def __init__(self, answer: object) -> None:
        self.answer, self.lock = answer, threading.Lock()

    def __eq__(self, other: object) -> bool:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[return-value]

    __hash__ = None  # type: ignore[assignment]


def test_same_value_needs_plain_yes() -> None:
    assert same_value(Vague(True), Vague(True))
    for answer in (1, [True], None, False, ValueError("ambiguous")):
        assert not same_value(Vague(answer), Vague(answer))
    vague = Vague(False)
    assert same_value(vague, vague)


def test_same_value_needs_one_type() -> None:
    pairs: list[tuple[object, object]] = [(1, 1.0), (True, 1), ((1,), [1]), ({1}, frozenset({1})), (Vague(True), 1)]
    assert not any(same_value(a, b) or same_value(b, a) for a, b in pairs)


def test_same_value_falls_back_to_token() -> None:
    class Plain:
        def __init__(self, x: object) -> None:
            self.x = x

    copied = dill.loads(dill.dumps(Plain(1), recurse=True))
    assert same_value(Plain(1), Plain(1))
    assert same_value(copied, Plain(1))
    assert not same_value(Plain(1), Plain(2))
    assert same_value(math.nan, float("nan"))
    assert not same_value(object(), object())


def test_arrays_have_tokens() -> None:
    numpy = pytest.importorskip("numpy")
    a = numpy.arange(6.0).reshape(2, 3)
    assert token(a) == token(a.copy()) == token(pickle.loads(pickle.dumps(a)))
    assert token(a[:, ::2]) == token(a[:, ::2].copy())
    assert (
        len({token(b) for b in (a, a + 1, a.reshape(3, 2), a.astype("f4"), a[0], a[0, 0], numpy.sin, numpy.cos)}) == 8
    )
    assert same_value(a, a.copy())
    assert not same_value(a, a + 1)


def test_descriptors_and_enums_have_tokens() -> None:
    class Shade(enum.Enum):
        DARK = 1
        BLACK = 1
        LIGHT = 2

    class Slots:
        __slots__ = ("a", "b")

    class Others:
        __slots__ = ("a",)

    slots = [vars(Slots)["a"], vars(Slots)["b"], vars(Others)["a"]]
    values = [Shade, Shade.DARK, Shade.LIGHT, Slots, Others, Slots(), vars(type)["__dict__"], *slots]
    assert len({token(value) for value in values}) == len(values)
    assert token(Shade.BLACK) == token(Shade.DARK)


def test_edit_of_member_changes_enum_token() -> None:
    one, same, two, more = (
        enum.Enum("Made", members, module="__main__") for members in ({"A": 1}, {"A": 1}, {"A": 2}, {"A": 1, "B": 1})
    )
    assert token(one) == token(same)
    assert len({token(one), token(two), token(more)}) == 3
