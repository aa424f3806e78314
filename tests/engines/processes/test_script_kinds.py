"""What a script defines travels, in the forms that each Python has: these are texts, which no `__future__` changes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAD = """
import abc, dataclasses, enum, functools, sys, typing
from typing import TYPE_CHECKING, Any, Generic, Iterator, NamedTuple, Protocol, TypedDict, TypeVar

from daglite import task
from daglite.runtime import Processes

T = TypeVar("T")
# No worker may get this: only what is used travels.
UNUSED = open(__file__)
KINDS = {}
"""

ALWAYS = """
class Plain:
    def __init__(self, x): self.x = x

class Slots:
    __slots__ = ("x", "__dict__", "__weakref__")
    def __init__(self, x): self.x = self.y = x

class Derived(Plain):
    def __init__(self, x): super().__init__(x)

@dataclasses.dataclass
class Line:
    x: int

@dataclasses.dataclass(slots=True, frozen=True)
class Keyword:
    x: int
    _: dataclasses.KW_ONLY
    y: int = 0

class Color(enum.Enum):
    RED = 1

class Box(Generic[T]):
    value: T
    def __init__(self, value: T): self.value = value

class Cached:
    def __init__(self, x): self.x = x
    @functools.cached_property
    def y(self): return self.x

def with_cache(x):
    made = Cached(x)
    return made.y and made

def local():
    class Inner:
        size: int = 1
        def itself(self): return __class__
    return lambda x: Inner().itself() and Inner()

KINDS |= {
    "plain": Plain, "slots": lambda x: vars(Slots(x)) and Slots(x), "derived": Derived, "dataclass": Line,
    "keyword": lambda x: Keyword(x, y=2), "enum": lambda x: Color.RED, "generic": lambda x: Box[int](x),
    "cached": with_cache, "local": local(),
}
"""

SINCE_312 = """
type Nested = int | list[Nested]
type Pair[U] = tuple[U, U]

class Held[U]:
    def __init__(self, value: U): self.value = value

def same[U](x: U) -> U: return x

KINDS |= {
    "alias": lambda x: str(Nested.__value__), "generic alias": lambda x: Pair.__type_params__[0].__name__,
    "type parameters": lambda x: same.__type_params__[0].__name__, "new generic": Held,
}
"""

# Names that are defined below, or nowhere, in annotations that are evaluated when they are read.
SINCE_314 = """
if TYPE_CHECKING:
    from decimal import Decimal

@dataclasses.dataclass
class Node:
    x: int
    left: Node | None = None
    lines: list[Line] = dataclasses.field(default_factory=list)
    unknown: Decimal | None = None

class Row(NamedTuple):
    x: int
    unknown: Decimal | None = None

class Table(TypedDict, total=False):
    x: int
    later: Later

class Abstract(abc.ABC):
    x: int
    @abc.abstractmethod
    def get(self) -> Later: ...

class Concrete(Abstract):
    def __init__(self, x: Decimal): self.x = x
    def get(self): return self.x

class Shape(Protocol):
    x: int
    def get(self) -> int: ...

class Square(Shape):
    def __init__(self, x): self.x = x
    def get(self): return self.x

def helper(x: Later) -> Decimal: return x

@task
def decorated(x: Later) -> Decimal: return helper(x)

class Later: pass

def texts(thing):
    from annotationlib import Format, get_annotations
    return get_annotations(thing, format=Format.STRING)

KINDS |= {
    "node": lambda x: Node(x, Node(2)), "fields": lambda x: [field.name for field in dataclasses.fields(Node)],
    "hints": lambda x: str(typing.get_type_hints(Line)), "row": Row, "table": lambda x: Table(x=x),
    "abstract": lambda x: Concrete(x) if Concrete(x).get() == x else None, "protocol": Square, "helper": helper,
    "texts": lambda x: texts(helper)["return"] + str(sorted(texts(Node))), "task": decorated.function.fn,
}
"""

SINCE_315 = """
lazy import json

MISSING = sentinel("MISSING")

KINDS |= {
    "sentinel": lambda x: MISSING, "same sentinel": lambda x, missing=MISSING: missing is MISSING,
    "lazy import": lambda x: json.dumps(x), "frozendict": lambda x: frozendict(x=x),
    "mark": lambda x: dataclasses.KW_ONLY,
}
"""

TAIL = """
@task
def one() -> Iterator[int]:
    yield 1

def content(value):
    slots = [name for name in getattr(type(value), "__slots__", ()) if not name.startswith("__")]
    return str({**getattr(value, "__dict__", {}), **{name: getattr(value, name) for name in slots}})

if __name__ == "__main__":
    with Processes(workers=1, start_method=sys.argv[1]) as workers:
        for name, function in KINDS.items():
            there = task(lambda x, make=function: make(x), name="there")
            [got] = one.iter().then(there).then(task(lambda x: x, name="back")).run(runtime=workers)
            wanted = function(1)
            if wanted is getattr(sys.modules[__name__], "MISSING", None) or wanted is dataclasses.KW_ONLY:
                assert got is wanted, name
            plain = type(wanted).__module__ == "builtins"
            assert type(got) is type(wanted) and (got == wanted if plain else content(got) == content(wanted)), name
            print(name)
"""

PARTS = {(3, 11): ALWAYS, (3, 12): SINCE_312, (3, 14): SINCE_314, (3, 15): SINCE_315}
COUNT = {(3, 11): 9, (3, 12): 13, (3, 13): 13, (3, 14): 23, (3, 15): 28}


@pytest.mark.parametrize("start_method", ["fork", "forkserver", "spawn"])
def test_what_a_script_defines_travels(start_method: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    parts = [text for version, text in PARTS.items() if sys.version_info >= version]
    script.write_text("".join([HEAD, *parts, TAIL]), encoding="utf-8")

    ended = subprocess.run(
        [sys.executable, script, start_method], capture_output=True, text=True, timeout=120, check=False
    )

    assert ended.stderr == ""
    assert len(ended.stdout.splitlines()) == COUNT[sys.version_info[:2]]
