"""explain: every line shows the element type that the annotation tells, and `?` where there is none."""

from __future__ import annotations

import functools
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from types import GenericAlias
from typing import Annotated, Any, NewType, ParamSpec, Protocol, Self, TypedDict, TypeVar

import pytest

from daglite import Future, compile, task

X = TypeVar("X")
P = ParamSpec("P")
Id = NewType("Id", int)


class Row(TypedDict):
    a: int


class Proto(Protocol):
    def get(self) -> int: ...


class Shop:
    def me(self, x: object = None) -> Self:
        return self


def returning(annotation: object) -> Callable[..., Any]:
    def made(x: object = None) -> object:
        return x

    if annotation is None:
        del made.__annotations__["return"]
    else:
        made.__annotations__["return"] = annotation
    return made


def types_of(pipeline: Future[Any]) -> list[str]:
    """The column of types, line by line."""
    head, *lines = compile(pipeline).explain().splitlines()[1:]
    begin, end = head.index("type"), head.index("limits")
    rows = [line for line in lines if re.match(r" *\d+ [+ ] (coordinator|workers)", line)]
    return [line[begin:end].strip() for line in rows]


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (None, "?"), ("Missing", "Missing"), ("list[Missing]", "list[Missing]"), ("int | None", "int | None"),
        (int | None, "int | None"), ("X", "X"), (X, "X"), (list[int], "list[int]"), ("Row", "Row"), (Row, "Row"),
        (Proto, "Proto"), (Any, "Any"), ("None", "None"), ("Self", "Self"), ("Callable[P, X]", "Callable[P, X]"),
        ("dict[str, tuple[int, ...]]", "dict[str, tuple[int, ...]]"), ("Coroutine[Any, Any, int]", "int"),
        (Coroutine[Any, Any, int], "int"), ("typing.Annotated[int, 'm']", "Annotated[int, 'm']"), (Id, "Id"),
        (Annotated[int, 1], "Annotated[int, 1]"), ("Literal['a.b', 'c']", "Literal['a.b', 'c']"),
        (GenericAlias(dict, (str, X)), "dict[str, X]"), (GenericAlias(list, ("a.b.C",)), "list['a.b.C']"),
    ],
)  # fmt: skip
def test_line_of_a_call_shows_what_it_returns(annotation: object, text: str) -> None:
    assert types_of(task(returning(annotation))(x=1)) == [f"-> {text}"]


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        ("Iterator[int]", "int"), ("Iterator[dict[str, Missing]]", "dict[str, Missing]"), ("Iterator", "?"),
        (Iterator[int | None], "int | None"), ("collections.abc.AsyncIterator[X]", "X"), (AsyncIterator[int], "int"),
        ("enumerate[str]", "?"), ("collections.abc.Generator[Row, None, int]", "Row"),
        ("Iterator[tuple[int, str]]", "tuple[int, str]"),
    ],
)  # fmt: skip
def test_line_of_a_stream_shows_its_item(annotation: object, text: str) -> None:
    source: Any = task(returning(annotation))
    shown = types_of(source.iter(x=1).then(task(returning("str"))))
    assert shown == [text, "-> str"]
    assert types_of(source(x=1)) == [f"-> list[{text}]"]


def test_every_step_has_a_type() -> None:
    @task
    def numbers(n):  # type: ignore[no-untyped-def]
        yield n

    @task
    def add(total: int, item: Any) -> int:
        return total + int(item)

    @functools.wraps(add.fn)
    def same(*values: int) -> int:
        return sum(values)

    decorated: Any = task(same)

    stream = numbers.iter(n=1).then(task(lambda x: x)).then(task(Shop().me))
    assert types_of(stream) == ["?", "-> ?", "-> Self"]
    assert types_of(stream.reduce(add, initial=0)) == ["?", "-> ?", "-> Self", "-> int"]
    assert types_of(stream.join(task(len))) == ["?", "-> ?", "-> Self", "-> ?"]
    assert types_of(task(Shop)().then(task(Shop.me))) == ["-> Shop", "-> Self"]
    assert types_of(decorated.map(total=[1], item=[2])) == ["-> int"]
