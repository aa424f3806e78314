"""Tokens of functions and objects: code, cycles, reasons, hooks, and when two things are the same."""

from __future__ import annotations

import collections
import copy
import functools
import itertools
import pickle
import sys
import textwrap
import types
import typing
from collections.abc import Callable

import dill
import pytest

from daglite.tokens import UnstableValue, token
from tests.token_samples import adder, define

BASE = """
def f(x, y=2, *, z=None):
    def inner(k):
        return [k + 1 for k in x if k in {"a", "b"}]
    try:
        return len(inner(y)) + x.size
    except KeyError:
        return lambda: -1.5
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("k + 1", "k + 2"),
        ("k + 1", "k - 1"),
        ("-1.5", "1.5"),
        ("y=2", "y=3"),
        ("y=2", "y=2.0"),
        ("y=2", "y"),
        ("z=None", "z=0"),
        ("z=None", "z"),
        ("*, z", "z"),
        ("x, y", "x, /, y"),
        ("x, y=2, *", "x, y=2, *rest"),
        ("len(", "sum("),
        ("x.size", "x.shape"),
        ("lambda: ", "lambda *a: "),
        ('"b"}', '"c"}'),
        ("KeyError", "ValueError"),
        ("def inner", "async def inner"),
    ],
)
def test_edit_changes_function_token(old: str, new: str) -> None:
    assert old in BASE
    assert token(define(BASE.replace(old, new))) != token(define(BASE))


CLASS_INSIDE = """
def f():
    class Inner:
        "Doc."
        limit = 9
        def __init__(self):
            self.zeta = self.alpha = self.mid = 9
    return Inner
"""


@pytest.mark.parametrize("source", [BASE, CLASS_INSIDE])
def test_move_keeps_function_token(source: str) -> None:
    here = define(source)
    moved = define(source, file="/other/place.py", line=9)
    nested = define("def outer():\n" + textwrap.indent(source, "    ") + "    return f\nf = outer()")
    # Since 3.14 the body of a class is compiled another way where it has deferred annotations.
    future = "\n" if "class" in source and sys.version_info >= (3, 14) else "from __future__ import annotations\n"
    remark = define(future + source.replace("):\n", "):  # remark\n\n"))
    assert token(here) == token(moved) == token(nested) == token(remark)


def test_edit_inside_local_class_changes_token() -> None:
    for old, new in (
        ("limit = 9", "limit = 8"),
        ("= 9\n    return", "= 8\n    return"),
        ("limit", "bound"),
        ("mid", "end"),
    ):
        assert token(define(CLASS_INSIDE.replace(old, new))) != token(define(CLASS_INSIDE))


def test_edit_of_class_changes_instance_token() -> None:
    def make(step: int, bases: tuple[type, ...] = (), **more: object) -> object:
        return type("Made", bases, {"__module__": "__main__", "__doc__": str(step), "run": lambda self: step, **more})()

    assert token(make(1)) == token(make(1)) == token(make(1, __annotations__={"a": int})) == token(make(1, __doc__="B"))
    others = [make(1), make(2), make(1, (int,)), make(1, limit=3), make(1, run=property(lambda self: 1))]
    assert len({token(other) for other in others}) == len(others)


def test_closure_values_and_names_count() -> None:
    assert token(adder(1)) == token(adder(1))
    assert len({token(adder(step)) for step in (1, 2, 1.0, "1", [1], adder(1), adder(2))}) == 7
    assert token(define("def f(): return len")) != token(define("def f(): return sum"))


def test_functions_by_one_name_differ_by_kind() -> None:
    bodies = ["def f(x): yield x", "async def f(x): yield x", "async def f(x): return x", "def f(x): return x"]
    found = [token(define(body)) for body in bodies]
    assert len({*found, token(types.coroutine(define(bodies[0])))}) == 5


def test_guarded_lines_count() -> None:
    code = typing.cast(types.FunctionType, define(BASE)).__code__
    assert token(code) == token(code.replace(co_filename="other", co_firstlineno=9))
    assert token(code) != token(code.replace(co_exceptiontable=b""))


def test_cached_function_is_what_it_wraps() -> None:
    cached = [functools.cache(define(f"def f(): return {number}")) for number in (1, 1, 2)]
    assert token(cached[0]) == token(cached[1]) != token(cached[2])


def test_calls_do_not_change_token() -> None:
    class Counted:
        def __init__(self, start: int) -> None:
            self.start = start

        def add(self, x: int) -> int:
            return self.start + x

    def work(x: int) -> int:
        total = 0
        for item in range(20):
            total += counted.add(item) + len([x, item]) + (x if item > 3 else x + 1)
        return total

    counted = Counted(1)
    before = token(work), token(Counted), token(counted)
    pickle.loads(dill.dumps(counted))
    for number in range(2000):
        work(number)
    assert (token(work), token(Counted), token(counted)) == before


def test_tracing_does_not_change_token() -> None:
    fn = define(BASE)
    before = token(fn)
    old = sys.gettrace()
    sys.settrace(lambda frame, event, argument: None)
    try:
        with pytest.raises(AttributeError, match="size"):
            fn([])
        during = token(fn)
    finally:
        sys.settrace(old)
    assert before == during == token(fn)


def ring(size: int, last: object = None) -> list[object]:
    start: list[object] = []
    inner = start
    for _ in range(size - 1):
        inner.append(inner := [])
    inner += [start, last]
    return start


def test_cycles_end_and_count() -> None:
    assert token(ring(3)) == token(ring(3))
    assert len({token(ring(1)), token(ring(2)), token(ring(3)), token(ring(3, 1)), token(ring(3, 2))}) == 5
    looped: dict[str, object] = {"a": {1, 2}}
    looped["self"] = [looped, {"again": looped}]
    assert token(looped) == token(copy.deepcopy(looped))


def test_recursive_functions_end_and_count() -> None:
    def make(stop: int, step: int) -> tuple[Callable[[int], bool], Callable[[int], bool]]:
        def even(n: int) -> bool:
            return n == stop or odd(n - step)

        def odd(n: int) -> bool:
            return n != stop and even(n - step)

        return even, odd

    even, odd = make(0, 1)
    assert [token(fn) for fn in make(0, 1)] == [token(even), token(odd)]
    assert len({token(fn) for values in ((0, 1), (0, 2), (5, 1)) for fn in make(*values)}) == 6


def test_class_naming_itself_ends() -> None:
    def make(limit: int) -> type:
        class Tree(collections.UserList[int]):
            def __init__(self) -> None:
                super().__init__()
                self.parent = self

            def grow(self) -> type:
                return Tree if limit else __class__  # type: ignore[name-defined]

        return Tree

    assert token(make(1)) == token(make(1)) != token(make(2))
    assert token(make(1)()) == token(make(1)()) != token(make(2)())


def test_empty_cell_has_token() -> None:
    def outer(fill: bool) -> Callable[[], int]:
        def inner() -> int:
            return late

        if fill:
            late = 1
        return inner

    assert token(outer(False)) == token(outer(False)) != token(outer(True))


def test_deep_values_need_no_stack() -> None:
    nested: object = 0
    chained: Callable[..., object] = adder(0)
    for _ in range(5000):
        nested, chained = [nested], adder(chained)
    assert token(nested) != token([nested])
    assert token(chained) != token(adder(chained))


def test_sharing_does_not_explode() -> None:
    value: list[object] = []
    for _ in range(200):
        value = [value, value]
    assert len(token(value)) == 32


def test_long_ring_of_twins_is_refused() -> None:
    links: list[list[object]] = [[] for _ in range(3000)]
    for left, right in itertools.pairwise(links):
        left.append(right)
        right.append(left)
    with pytest.raises(UnstableValue, match="part of a cycle of 3000 objects"):
        token(links)
