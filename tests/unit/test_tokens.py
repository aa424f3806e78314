"""Tokens: the same in every process, different for what behaves differently, and never a guess."""

from __future__ import annotations

import collections
import copy
import datetime
import decimal
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
import typing
import uuid
from dataclasses import dataclass, field

import dill
from hypothesis import given, strategies as st

import daglite
from daglite.tokens import same_function, same_value, token
from tests.token_samples import adder, record

ROOT = pathlib.Path(daglite.__file__).parents[1]

# A script of every kind of value that only `__main__` knows; it prints or writes what its last lines say.
SCRIPT = """
import abc, dataclasses, enum, functools, re, typing
import dill
from tests.token_samples import adder, record
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
from tests.token_samples import adder, record
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
