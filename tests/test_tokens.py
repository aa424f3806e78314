"""Tokens: the same in every process, different for what behaves differently, and never a guess."""

from __future__ import annotations

import collections
import copy
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import itertools
import math
import operator
import os
import pathlib
import pickle
import re
import subprocess
import sys
import textwrap
import threading
import types
import typing
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

import dill
import pytest
from hypothesis import given, strategies as st

import daglite
from daglite.functions import Function, describe
from daglite.tokens import Unstable, same_function, same_value, token

ROOT = pathlib.Path(daglite.__file__).parents[1]

# A script of every kind of value that only `__main__` knows; it prints or writes what its last lines say.
SCRIPT = """
import abc, dataclasses, enum, functools, re, typing
import dill
from daglite.tokens import token

T = typing.TypeVar("T")
LIMIT = 3

def plain(x, y=2, *, z=frozenset({"a", "b", "c", 4})):
    return x + LIMIT in {"one", "two", "three", 4, None}

async def waits(x):
    return [later async for later in x]

def make(scale, names):
    def scaled(x):
        return sorted((lambda y: y * scale)(x) for x in names)
    return scaled

def even_odd():
    def even(n):
        return n == 0 or odd(n - 1)
    def odd(n):
        return n != 0 and even(n - 1)
    return even

class Base(abc.ABC):
    @abc.abstractmethod
    def run(self): ...

class Child(Base):
    kinds = {"x", "y", "z"}
    __slots__ = ("a", "b")
    def __init__(self):
        super().__init__()
        self.a, self.b = {"p", "q", "r"}, 2
    def run(self):
        return Child
    @property
    def size(self):
        return 1
    @staticmethod
    def make():
        return Child()

@dataclasses.dataclass
class Point:
    x: int
    names: set = dataclasses.field(default_factory=set)
    @functools.cached_property
    def far(self):
        return self.x > 3

@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    x: int = 1

class Box(typing.Generic[T]):
    def __init__(self, item):
        self.item = item

class Pair(typing.NamedTuple):
    left: int
    right: str = "r"

class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"
    def shout(self):
        return self.name

class Bits(enum.Flag):
    A = 1
    B = 2

@functools.lru_cache
def cached(x):
    return x

def build():
    class Local:
        def __init__(self, value):
            self.zeta, self.alpha, self.mid = value, 1, 2
        def again(self):
            return __class__
    return Local

VALUES = dict(
    plain=plain, waits=waits, closure=make(2, {"u", "v", "w"}), recursive=even_odd(), cls=Child, obj=Child(),
    method=Child().run, builds=build, local=build(), instance=build()({"k", "l", "m"}), point=Point(1, {"s", "t"}),
    points=Point, frozen=Frozen(), pair=Pair(1), colour=Colour.RED, bits=Bits.A | Bits.B, box=Box(1), cached=cached,
    partial=functools.partial(plain, y={"e", "f"}), pattern=re.compile("a+", re.I), alias=dict[str, Pair],
    nested={frozenset({"a", "b"}): [{1.5, "c", None}], "k": {"x": 1, "y": 2}},
)
"""
PRINTS = "\nfor name, value in VALUES.items():\n    print(name, token(value))\n"


def run_script(path: pathlib.Path, text: str, *arguments: str, seed: int = 0) -> dict[str, str]:
    path.write_text(text)
    env = {**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(path), *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return dict(line.split() for line in done.stdout.splitlines())


def define(source: str, *, file: str = "one.py", line: int = 1) -> Callable[..., object]:
    """The function `f` of `source`, as if it stood in `file` at `line`."""
    space: dict[str, Callable[..., object]] = {}
    exec(compile("\n" * (line - 1) + textwrap.dedent(source), file, "exec", dont_inherit=True), {}, space)
    return space["f"]


def record(fn: Callable[..., object], *, name: str = "f", retries: int = 0) -> Function:
    return describe(fn, name=name, retries=retries)


def test_tokens_survive_hash_seeds(tmp_path: pathlib.Path) -> None:
    found = [run_script(tmp_path / "script.py", SCRIPT + PRINTS, seed=seed) for seed in (0, 1, 2)]
    assert found[0] == found[1] == found[2]
    assert len(set(found[0].values())) == len(found[0])


def test_tokens_survive_other_file_and_line(tmp_path: pathlib.Path) -> None:
    first = run_script(tmp_path / "script.py", SCRIPT + PRINTS)
    assert run_script(tmp_path / "other.py", "\n" * 300 + SCRIPT + PRINTS) == first


# dill itself cannot carry those left out: enums and type variables of `__main__`, functions in each other's closure.
DUMPS = """
import sys
for name in ("recursive", "colour", "bits", "box"):
    del VALUES[name]
with open(sys.argv[1], "wb") as file:
    for name, value in VALUES.items():
        print(name, token(value))
        dill.dump((name, dill.dumps(value, recurse=True)), file)
"""
LOADS = """
import sys, dill
from daglite.tokens import token
with open(sys.argv[1], "rb") as file:
    while file.peek(1):
        name, data = dill.load(file)
        print(name, token(dill.loads(data)))
"""


def test_tokens_survive_dill_to_another_process(tmp_path: pathlib.Path) -> None:
    pickles = str(tmp_path / "values.dill")
    sent = run_script(tmp_path / "sends.py", SCRIPT + DUMPS, pickles, seed=1)
    assert run_script(tmp_path / "loads.py", LOADS, pickles, seed=2) == sent


@dataclass(frozen=True)
class Config:
    """Importable, so known by its name."""

    limit: int
    names: set[str] = field(default_factory=set)


def adder(step: object) -> Callable[[object], object]:
    return lambda x: (x, step)


def test_closure_keeps_token_through_dill() -> None:
    @dataclass
    class Local:
        size: int

    for step in (1, {"b", "a"}, Config(1, {"x", "y"}), Local(3), adder(2)):
        fn = adder(step)
        copied = dill.loads(dill.dumps(fn, recurse=True))
        assert copied is not fn
        assert token(copied) == token(fn)
        assert same_function(record(copied), record(fn))


def test_instance_keeps_token_through_pickle() -> None:
    values: list[object] = [Config(1, {"p", "q", "r"}), functools.partial(sorted, reverse=True), math.nan, Config]
    for value in values:
        copied = pickle.loads(pickle.dumps(value))
        assert token(copied) == token(value)
        assert same_value(copied, value)


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | st.text()
    | st.binary()
    | st.dates()
    | st.datetimes()
    | st.decimals(allow_nan=False)
    | st.fractions()
    | st.uuids()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(SCALARS, inner, max_size=4)
        | st.sets(SCALARS, max_size=5)
        | st.frozensets(SCALARS, max_size=5)
    ),
    max_leaves=12,
)


def rebuild(value: object) -> object:
    """An equal value that shares nothing with `value` and was filled in another order."""
    if isinstance(value, (list, tuple)):
        return type(value)([rebuild(item) for item in value])
    if isinstance(value, (set, frozenset)):
        return type(value)(sorted((copy.deepcopy(item) for item in value), key=lambda item: str(item)[::-1]))
    if isinstance(value, dict):
        return {copy.deepcopy(key): rebuild(item) for key, item in reversed(value.items())}
    return copy.deepcopy(value)


@given(VALUES)
def test_equal_values_have_equal_tokens(value: object) -> None:
    assert token(rebuild(value)) == token(value)
    assert token([value, value]) == token([value, rebuild(value)])


@given(VALUES)
def test_tokens_survive_pickle(value: object) -> None:
    assert token(pickle.loads(pickle.dumps(value))) == token(value)


@given(SCALARS, SCALARS)
def test_unequal_scalars_have_unequal_tokens(a: object, b: object) -> None:
    if type(a) is not type(b) or a != b:
        assert token(a) != token(b)
        assert token([a, b]) != token([b, a])
        assert token({"k": a}) != token({"k": b})


def test_alike_values_have_unlike_tokens() -> None:
    class Number(int):
        pass

    class Items(list[int]):
        pass

    class Names(set[int]):
        pass

    values: list[object] = [
        *(1, 1.0, True, 1 + 0j, "1", b"1", bytearray(b"1"), Number(1), decimal.Decimal(1), fractions.Fraction(1)),
        *(0, 0.0, -0.0, -0j, False, None, "", b"", "\ud800", math.nan, math.inf, -math.inf, 10**5000),
        *((), [], {}, set(), frozenset(), Items(), Names(), [[]], [()], ([], []), [[], []], [[[]]]),
        *({1: 2}, {(1, 2)}, {2: 1}, [1, 2], Items([1, 2]), {1, 2}, Names({1, 2}), frozenset({1, 2}), {1: 2, 3: 4}),
        *({1: 4, 3: 2}, collections.OrderedDict(), collections.Counter("ab"), collections.defaultdict(list)),
        *(collections.OrderedDict(a=1, b=2), collections.OrderedDict(b=2, a=1), collections.deque(), {"a": 1, "b": 2}),
        *(range(3), range(4), slice(3), slice(4), ..., NotImplemented, int, bool, collections.OrderedDict),
        *(pathlib.Path("a"), pathlib.Path("b"), datetime.date(2020, 1, 1), datetime.datetime(2020, 1, 1)),
        *(datetime.timedelta(1), datetime.time(1), datetime.UTC, uuid.UUID(int=1), math, operator),
        *(re.compile("a"), re.compile("a", re.I), operator.itemgetter(1), operator.itemgetter(2)),
        *(operator.attrgetter("a"), operator.methodcaller("a"), len, max, str.upper, str.lower, "a".upper, "b".upper),
        *(math.sin, math.cos, [].append, dict.fromkeys, vars(dict)["fromkeys"], int.__add__, (5).__add__),
        *(functools.partial(max), functools.partial(min), functools.partial(max, 1), functools.partial(max, key=len)),
        *(
            list[int],
            list[str],
            int | str,
            typing.Literal["a"],
            typing.Any,
            typing.TypeVar("T"),
            typing.ForwardRef("T"),
        ),
        *(
            Config,
            Config(1),
            Config(2),
            Config(1, {"a"}),
            Number,
            Items,
            ValueError("a"),
            ValueError("b"),
            KeyError("a"),
        ),
        *(re.IGNORECASE, re.MULTILINE, re.I | re.M, iter([1]), iter([2])),
    ]
    values.append(datetime.datetime(2020, 1, 1, fold=1))
    clashes = [(a, b) for a, b in itertools.combinations(values, 2) if token(a) == token(b)]
    assert clashes == []
    assert token({"a": 1, "b": 2}) == token({"b": 2, "a": 1})
    assert token(math.nan) == token(-float("nan"))


def test_subclasses_compare_like_their_bases() -> None:
    class Names(set[int]):
        pass

    @dataclass
    class Row(list[int]):
        name: str

    def default(**items: int) -> collections.defaultdict[str, int]:
        return collections.defaultdict(int, items)

    assert token(Names([0, 8])) == token(Names([8, 0])) != token(Names([0, 9]))  # 0 and 8 collide, so keep their order
    assert token(default(a=1, b=2)) == token(default(b=2, a=1)) != token(default(a=1, b=3))
    long, short = Row("r"), Row("r")
    long.append(1)
    assert token(long) != token(short)


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
    remark = define("from __future__ import annotations\n" + source.replace("):\n", "):  # remark\n\n"))
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
    with pytest.raises(Unstable, match="part of a cycle of 3000 objects"):
        token(links)


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
    with pytest.raises(Unstable, match=f"^{reason}"):
        token(value)


def test_reason_stays_short() -> None:
    nested: object = LOCK
    for _ in range(5000):
        nested = [nested]
    with pytest.raises(Unstable, match=r"^(item 0 of ){4}… of the value is a '_thread\.lock'"):
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
    with pytest.raises(Unstable, match=r"a '.*Model' whose `__daglite_token__` raised OSError: gone"):
        token(Model("a", OSError("gone")))
    with pytest.raises(Unstable, match=r"a '.*Model' that says: not today"):
        token(Model("a", Unstable("not today")))
    with pytest.raises(Unstable, match=r"item 1 of the value is a '_thread\.lock'"):
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
    assert token(dataclasses.replace(first, result="int")) != token(first)
    assert token(dataclasses.replace(first, kind="async")) != token(first)


def test_same_function_needs_equal_record() -> None:
    first = record(adder(1))
    assert same_function(first, first)
    assert same_function(first, record(adder(1)))
    for other in (record(adder(1), name="g"), record(adder(1), retries=1), record(adder(2))):
        assert not same_function(first, other)
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
