"""A script without a guard: run as a file, by `-c` or from stdin, it sends what is its own to a child and back.

The start methods are its arguments. It prints one line for each claim that does not hold, and `ok` at the end.
"""

from __future__ import annotations

import abc
import collections
import dataclasses
import enum
import functools
import sys
import threading
import xml.etree.ElementTree
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Generic, NamedTuple, NewType, Protocol, TypeVar

from daglite.runtime.serialization.pickler import Codec
from tests.unit.serialization.pickler_child import Peer

T = TypeVar("T", bound=int)
UserId = NewType("UserId", int)
lock = threading.Lock()
counter = 0


@dataclasses.dataclass
class Point:
    x: int
    y: int = 3
    tags: list[str] = dataclasses.field(default_factory=list)
    origin: ClassVar[Point]
    _guard: ClassVar[Any] = threading.Lock()

    def norm(self) -> int:
        return twice(self.x) + Scale.factor

    @property
    def shown(self) -> str:
        return f"<{self.x}>"

    @classmethod
    def at(cls, x: int) -> Point:
        return cls(x)

    @functools.cached_property
    def large(self) -> int:
        return self.x * 100


Point.origin = Point(0, 0)
# Not as text: pickle would look for the name in `__main__`.
Point.__annotations__["owner"] = UserId


class Scale:
    factor = 10

    def point(self) -> Point:
        return Point(self.factor)


@dataclasses.dataclass(slots=True, frozen=True)
class Slotted:
    a: int


class Pair(NamedTuple):
    a: int
    b: int = 5

    def total(self) -> int:
        return self.a + self.b


Plain = collections.namedtuple("Plain", "p q")


class Color(enum.Enum):
    RED = 1
    GREEN = "g"
    CRIMSON = 1

    def low(self) -> str:
        return self.name.lower()


class Planet(enum.Enum):
    EARTH = (5.97, 6.37)
    MARS = (0.64, 3.39)

    def __init__(self, mass: float, radius: float) -> None:
        self.mass, self.radius = mass, radius


class Number(enum.IntEnum):
    ONE = enum.auto()
    TWO = enum.auto()


class Right(enum.Flag):
    READ = enum.auto()
    WRITE = enum.auto()
    RUN = enum.auto()


class Shape(abc.ABC):
    def __init__(self) -> None:
        self.sides = 1

    @abc.abstractmethod
    def area(self) -> int: ...


class Square(Shape):
    def __init__(self) -> None:
        super().__init__()
        self.sides += 3

    def area(self) -> int:
        return self.sides


Shape.register(Slotted)


class Box(Generic[T]):
    def __init__(self, item: T) -> None:
        self.item = item


class IntBox(Box[int]):
    pass


class HasArea(Protocol):
    def area(self) -> int: ...


class Named(type):
    label: str

    def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any], label: str = "") -> Named:
        made = super().__new__(cls, name, bases, body)
        made.label = label
        return made


class Labelled(metaclass=Named, label="yes"):
    pass


class Plugin:
    known: ClassVar[list[str]] = []

    def __init_subclass__(cls, *, name: str, **rest: Any) -> None:
        super().__init_subclass__(**rest)
        Plugin.known.append(name)


class First(Plugin, name="first"):
    pass


class Key:
    every: ClassVar[set[Key]]

    def __init__(self, i: int) -> None:
        self.i = i

    def __hash__(self) -> int:
        return hash(self.i)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and other.i == self.i


Key.every = {Key(1), Key(2)}


class OwnError(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(f"code {code}")
        self.code = code


def twice(x: int) -> int:
    return x * 2


@functools.lru_cache(maxsize=10)
def fib(n: int) -> int:
    return n if n < 2 else fib(n - 1) + fib(n - 2)


@functools.singledispatch
def kind(_: object) -> str:
    return "any"


@kind.register
def _(_: int) -> str:
    return "int"


def even(n: int) -> bool:
    return n == 0 or odd(n - 1)


def odd(n: int) -> bool:
    return n != 0 and even(n - 1)


def locked(x: int) -> int:
    with lock:
        return x


def bump() -> int:
    global counter
    counter += 1
    return counter


def tag(text: str) -> str:
    return xml.etree.ElementTree.fromstring(text).tag


def decorated(function: Callable[[int], int]) -> Callable[[int], int]:
    @functools.wraps(function)
    def plus_one(x: int) -> int:
        return function(x) + 1

    return plus_one


@decorated
def same(x: int) -> int:
    return x


def count(n: int) -> Iterator[int]:
    yield from range(n)


def counting() -> tuple[Callable[[], int], Callable[[], int]]:
    n = 0

    def up() -> int:
        nonlocal n
        n += 1
        return n

    return up, lambda: n


ups = counting()


def local_class() -> type:
    class Local:
        def own(self) -> type:
            return Local

    return Local


def factorial() -> Callable[[int], int]:
    def of(n: int) -> int:
        return 1 if n == 0 else n * of(n - 1)

    return of


def fail() -> None:
    raise OwnError(7)


def norm_of(point: object) -> int:
    assert isinstance(point, Point), type(point)
    return point.norm()


def raised(peer: Peer) -> object:
    try:
        peer.call(fail)
    except OwnError as error:
        return str(error), error.code
    return None


Item: Any
Either: Any
if sys.version_info >= (3, 12):
    exec("class Item[V]:\n    def __init__(self, v: V): self.v = v\ntype Either = int | str")
else:
    Item, Either = Box, int
Fields: Any = dataclasses.make_dataclass("Fields", [("a", Either)])
Here = local_class()

CLAIMS: dict[str, tuple[Callable[[Peer], object], object]] = {
    "a function and an item mean one class": (lambda p: p.call(norm_of, Point(4)), 18),
    "an item comes back as its class": (lambda p: p.call(lambda one: [one], Point(1)), [Point(1)]),
    "a result is of its class": (lambda p: type(p.call(lambda: Point(1))), Point),
    "an instance held by its class": (lambda p: p.call(lambda: isinstance(Point.origin, Point)), True),
    "fields": (lambda p: p.call(dataclasses.asdict, Point(1)), {"x": 1, "y": 3, "tags": []}),
    "default factories": (lambda p: p.call(lambda: (Point(1).tags, Point(1).tags is Point(1).tags)), ([], False)),
    "marks": (lambda p: p.call(lambda: dataclasses.fields(Point)[0].default is dataclasses.MISSING), True),
    "descriptors": (lambda p: p.call(lambda one: (one.shown, one.large, type(one).at(2).x), Point(1)), ("<1>", 100, 2)),
    "a bound method": (lambda p: p.call(Point(4).norm), 18),
    "slots": (lambda p: p.call(lambda one: (one.a, one == Slotted(2), one), Slotted(2)), (2, True, Slotted(2))),
    "a named tuple with methods": (lambda p: p.call(lambda one: (one.total(), type(one)), Pair(1)), (6, Pair)),
    "a plain named tuple": (lambda p: p.call(lambda one: type(one._replace(p=2)), Plain(1, 2)), Plain),
    "an enum": (
        lambda p: p.call(lambda c: (c is Color.RED, c.low(), Color("g"), Color.CRIMSON is c), Color.RED),
        (True, "red", Color.GREEN, True),
    ),
    "an enum's own attributes": (lambda p: p.call(lambda c: (c.mass, c is Planet.EARTH), Planet.EARTH), (5.97, True)),
    "an int enum": (lambda p: p.call(lambda n: (n + 1, n is Number.ONE), Number.ONE), (2, True)),
    "flags": (lambda p: p.call(lambda r: r | Right.RUN, Right.READ), Right.READ | Right.RUN),
    "super": (lambda p: p.call(lambda: Square().area()), 4),
    "abstract classes": (
        lambda p: p.call(lambda: (Shape.__abstractmethods__, isinstance(Slotted(1), Shape))),
        (frozenset({"area"}), True),
    ),
    "generic classes": (lambda p: p.call(lambda b: (isinstance(b, Box), Box[int](4).item), IntBox(3)), (True, 4)),
    "type parameters": (lambda p: p.call(lambda i: type(i) is Item, Item(1)), True),
    "an alias in a field": (lambda p: p.call(lambda: Fields(1)), Fields(1)),
    "protocols": (lambda p: p.call(lambda: HasArea.__name__), "HasArea"),
    "metaclasses": (lambda p: p.call(lambda: (type(Labelled) is Named, Labelled.label)), (True, "yes")),
    "subclass hooks": (
        lambda p: p.call(lambda one: (isinstance(one, Plugin), Plugin.known), First()),
        (True, ["first"]),
    ),
    "members of a set of the class": (lambda p: p.call(lambda: (Key(1) in Key.every, len(Key.every))), (True, 2)),
    "a cached function": (lambda p: p.call(fib, 30), 832040),
    "single dispatch": (lambda p: (p.call(kind, 3), p.call(kind, "a")), ("int", "any")),
    "functions that call each other": (lambda p: p.call(even, 10), True),
    "a lock of the module": (lambda p: p.call(locked, 4), 4),
    "globals that change there": (
        lambda p: (p.call(bump), p.call(bump), p.call(lambda: bump()), counter),
        (1, 2, 3, 0),
    ),
    "a submodule": (lambda p: p.call(tag, "<a/>"), "a"),
    "a wrapper": (lambda p: p.call(same, 1), 2),
    "a generator function": (lambda p: p.call(lambda: list(count(3))), [0, 1, 2]),
    "closures that share a variable": (lambda p: p.call(lambda: (ups[0](), ups[1]())), (1, 1)),
    "a local class": (lambda p: p.call(lambda one: one.own() is type(one), Here()), True),
    "a local class made there": (lambda p: len({p.call(lambda m: m, made) for made in [p.call(local_class)] * 2}), 1),
    "a recursive local function": (lambda p: p.call(factorial(), 5), 120),
    "one called by another": (lambda p: p.call(lambda: factorial()(4)), 24),
    "a partial": (lambda p: p.call(functools.partial(twice, 4)), 8),
    "a function comes back as itself": (lambda p: p.call(lambda: twice) is twice, True),
    "an exception": (raised, ("code 7", 7)),
}

for method in sys.argv[1:]:
    peer = Peer(method, Codec("c"))
    for name, (claim, expected) in CLAIMS.items():
        try:
            found = claim(peer)
        except BaseException as error:
            found = f"{type(error).__name__}: {error}"
        if found != expected:
            print(f"{method}: {name}: {found!r}, not {expected!r}")
    peer.close()
print("ok")
