"""check_types on annotations of every sort, as objects and as texts: it never fails, and never raises a wrong alarm."""

from __future__ import annotations

import dataclasses
import enum
import functools
import typing
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, Generic, NewType, ParamSpec, Protocol, Self, TypeAlias, TypedDict, TypeVar

import pytest

from daglite import compile, task
from daglite.exceptions import TaskError

X = TypeVar("X")
C = TypeVar("C", contravariant=True)
R_co = TypeVar("R_co", covariant=True)
P = ParamSpec("P")
R = TypeVar("R")
Id = NewType("Id", int)
Key = NewType("Key", Id)
Numbers: TypeAlias = list[int]
Tree: TypeAlias = "dict[str, Tree] | int"


class Colour(enum.IntEnum):
    RED = 1


class Row(TypedDict):
    a: int


class Sink(Generic[C]):
    """Takes what it is given: a sink of floats is one of ints."""


class Proto(Protocol[R_co]):
    def get(self) -> R_co: ...


class Pair(typing.NamedTuple):
    x: int
    y: str


class Shop:
    def me(self) -> Self:
        return self


class Maker:
    """A class whose call gives something else."""

    def __new__(cls) -> Any:
        return 1


class Meta(type):
    def __call__(cls) -> Any:
        return 1


class Made(metaclass=Meta): ...


WILD = """
    Missing list[Missing] Missing|None int|None int|str Optional[Id] X list[X] P.args Callable[P,R] Callable[...,int]
    Callable[Concatenate[int,P],R] Annotated[int,"m"] Annotated[Missing,1] NewType Id Key Row Proto Proto[int] Self
    type[Self] type[int] Literal[1,"a"] LiteralString Never NoReturn Any object None Final[int] ClassVar[int]
    Required[int] Unpack[Row] tuple[()] tuple[int,...] tuple[int,str] Tuple List[int] Dict[str,Any] Type Text IO[str]
    Pattern[str] TypeGuard[int] ForwardRef("X") "int" "'int'" 1 [int] (int,str) lambda:0 {} 1+ Numbers Tree
    dict[str,list[Id]] Sink[int] Colour Pair Shop Hashable Sized Iterable[int] Iterator[int] AsyncIterator[X]
    Coroutine[Any,Any,int] Awaitable[int] collections.Counter[str] collections.abc.Mapping[str,X] Generator[int,str,X]
    print("annotation") 1/0 X|int list|int list[int,str] Missing.more Generic[X] Protocol Enum
"""
NAMES = {**vars(typing), **globals(), "Enum": enum.Enum, "print": lambda *_: None}


def annotated(name: str, annotation: object) -> Callable[..., Any]:
    """A function with this annotation, at its only parameter or at its result, that looks names up among `NAMES`."""
    made: dict[str, Any] = {}
    exec("def made(x=None): return x", dict(NAMES), made)
    fn: Callable[..., Any] = made["made"]
    fn.__annotations__ = {name: annotation}
    return fn


@functools.cache
def values(text: str) -> list[object]:
    """The annotation as a text, as it is with `from __future__`, and as an object where it is one."""
    try:
        return [text, eval(text, dict(NAMES))]
    except Exception:
        return [text]


def test_no_annotation_makes_the_check_fail() -> None:
    alarms = 0
    for given, wanted in product(WILD.split(), WILD.split()):
        pipeline = task(annotated("x", values(wanted)[-1]))(x=task(annotated("return", values(given)[-1]))())
        try:
            compile(pipeline, check_types=True)
        except TaskError:
            alarms += 1
    assert alarms


@pytest.mark.parametrize("text", WILD.split())
def test_what_fits_everything_fits_any_annotation(text: str) -> None:
    for one, other in product(values(text), ("Any", "object", "X", "Missing", "Any | None")):
        for given, wanted in ((one, other), (other, one)):
            kind = task(annotated("return", given))
            if kind.function.streams:
                continue
            compile(task(annotated("x", wanted))(x=kind()), check_types=True)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("bool", "float"), ("Colour", "float"), ("Colour", "int"), ("Key", "float"), ("Key", "Id"), ("Id", "int"),
        ("Sink[float]", "Sink[int]"), ("Sink[object]", "Sink[int]"), ("Row", "Mapping[str, object]"),
        ("Row", "Row"), ("Pair", "tuple[int, str]"), ("Shop", "Proto[int]"), ("Annotated[int, 'm']", "float"),
        ("'int'", "int"), ("Numbers", "Sequence[int]"), ("dict[str, list[Id]]", "dict[str, list[int]]"),
        ("Optional[Id]", "Id | None"), ("type[Colour]", "type[int]"), ("type[int]", "Callable[[str], int]"),
        ("TextIO", "IO[str]"), ("IO[str]", "Iterator[str]"), ("range", "Sequence[int]"), ("Tree", "Tree"),
        ("collections.Counter[str]", "dict[str, int]"), ("Callable[[float], bool]", "Callable[[int], int]"),
        ("Coroutine[Any, Any, int]", "int"), ("None", "Hashable"), ("list[Any]", "list[Missing]"),
    ],
)  # fmt: skip
def test_what_checkers_accept_raises_no_alarm(given: str, wanted: str) -> None:
    for one, other in product(values(given), values(wanted)):
        compile(task(annotated("x", other))(x=task(annotated("return", one))()), check_types=True)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("Row", "str"), ("Id", "str"), ("str", "Id"), ("Annotated[int, 'm']", "str"), ("'int'", "str"), ("float", "Id"),
        ("list[Id]", "list[str]"), ("Coroutine[Any, Any, int]", "str"), ("Pair", "dict[str, int]"), ("Colour", "str"),
        ("Optional[Id]", "str"), ("Numbers", "str"), ("Shop", "Row"),
    ],
)  # fmt: skip
def test_what_is_surely_wrong_raises_an_alarm(given: str, wanted: str) -> None:
    for one, other in product(values(given), values(wanted)):
        with pytest.raises(TaskError, match=r"^task 'made' takes .* for 'x'; task 'made' gives "):
            compile(task(annotated("x", other))(x=task(annotated("return", one))()), check_types=True)


def listed(fn: Callable[P, R]) -> Callable[P, list[R]]:
    @functools.wraps(fn)
    def inner(*args: P.args, **kwargs: P.kwargs) -> list[R]:
        return [fn(*args, **kwargs)]

    return inner


def number() -> int:
    return 1


def total(values: list[int]) -> int:
    return sum(values)


def text(x: str) -> str:
    return x


def test_annotations_behind_a_decorator_are_not_believed() -> None:
    """`functools.wraps` copies the annotations of what the decorator was given."""
    compile(task(listed(number))().then(task(total)), check_types=True)


def test_class_that_makes_something_else_is_not_believed() -> None:
    for cls in (Maker, Made):
        compile(task(cls)().then(task(total)), check_types=True)
    with pytest.raises(TaskError, match=r"takes list\[int\] for 'values'; task 'Shop' gives .*Shop$"):
        compile(task(Shop)().then(task(total)), check_types=True)  # type: ignore[arg-type]


def test_methods_classes_and_objects_are_read() -> None:
    @dataclasses.dataclass
    class Priced:
        tax: float

        def __call__(self, x: int) -> float:
            return x * self.tax

    compile(task(number)().then(task(Priced)).then(task(dataclasses.astuple)), check_types=True)
    compile(task(number)().then(task(Priced(1.0))), check_types=True)
    compile(task(Shop().me)().then(task(Shop.me)), check_types=True)
    with pytest.raises(TaskError, match=r"task 'text' takes str for 'x'; task '.*Priced' gives float"):
        compile(task(number)().then(task(Priced(1.0))).then(task(text)), check_types=True)  # type: ignore[arg-type]


def test_streams_of_another_class_have_items_of_any_type() -> None:
    def rows() -> enumerate[str]:
        return enumerate("ab")

    def numbers() -> Iterator[int]:
        return iter([1])

    compile(task(rows).iter().then(task(text)), check_types=True)  # type: ignore[arg-type]
    with pytest.raises(TaskError, match=r"task 'text' takes str for 'x'; task 'numbers' gives int$"):
        compile(task(numbers).iter().then(task(text)), check_types=True)  # type: ignore[arg-type]


def test_collections_of_older_names_are_the_same() -> None:
    for given, wanted in (
        ("List[int]", "list[str]"),
        ("Dict[str, int]", "dict[str, str]"),
        ("Deque[int]", "list[int]"),
    ):
        with pytest.raises(TaskError, match=r"^task 'made' takes "):
            compile(task(annotated("x", wanted))(x=task(annotated("return", given))()), check_types=True)
