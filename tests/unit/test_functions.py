"""A user's function as data: its kind, its name, the text of its type, its parameters."""

from __future__ import annotations

import collections.abc
import functools
import sys
import typing
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Iterable, Iterator

import pytest

from daglite.exceptions import ParameterError, TaskError
from daglite.functions import UNREAD, Kind, describe, element_type, fillable, free_parameters, signature_of, suggest


def plain(x: int) -> str:
    return str(x)


async def later(x: int) -> str:
    return str(x)


def items(x: int) -> Iterator[str]:
    yield str(x)


async def ticks(x: int) -> AsyncIterator[str]:
    yield str(x)


def bare(x):  # type: ignore[no-untyped-def]
    return x


def bare_items(x):  # type: ignore[no-untyped-def]
    yield x


def made_elsewhere(x: int) -> enumerate[str]:
    return enumerate(["a"] * x)


def awaited_elsewhere(x: int) -> Coroutine[None, None, tuple[int, str]]:
    async def pair() -> tuple[int, str]:
        return x, ""

    return pair()


async def gives_coroutine(x: int) -> Coroutine[None, None, str]:
    return later(x)


class Adder:
    """Things that can be called, of every kind."""

    def __init__(self, amount: int = 1) -> None:
        self.amount = amount

    def __call__(self, x: int) -> int:
        return x + self.amount

    def method(self, x: int) -> int:
        return x + self.amount

    def items(self, x: int) -> Iterator[int]:
        yield x

    async def later(self, x: int) -> int:
        return x

    @classmethod
    def of_class(cls, x: int) -> int:
        return x

    @staticmethod
    def of_none(x: int) -> int:
        return x


class Streamer:
    def __call__(self, x: int) -> Iterator[int]:
        yield x


class Later:
    async def __call__(self, x: int) -> int:
        return x


@functools.wraps(items)
def wrapped(x: int) -> Iterator[str]:
    return items(x)


class Rows(Iterator[int]):
    def __next__(self) -> int:
        raise StopIteration


KINDS: list[tuple[Callable[..., object], Kind, str, str]] = [
    (plain, "plain", "plain", "str"),
    (later, "async", "later", "str"),
    (items, "generator", "items", "str"),
    (ticks, "async_generator", "ticks", "str"),
    (bare, "plain", "bare", "?"),
    (bare_items, "generator", "bare_items", "?"),
    (lambda x: x, "plain", "<lambda>", "?"),
    (Adder(), "plain", "Adder", "int"),
    (Adder().method, "plain", "Adder.method", "int"),
    (Adder().items, "generator", "Adder.items", "int"),
    (Adder().later, "async", "Adder.later", "int"),
    (Adder.of_class, "plain", "Adder.of_class", "int"),
    (Adder.of_none, "plain", "Adder.of_none", "int"),
    (Adder, "plain", "Adder", "Adder"),
    (Streamer(), "generator", "Streamer", "int"),
    (Later(), "async", "Later", "int"),
    (functools.partial(plain, 1), "plain", "plain", "str"),
    (functools.partial(functools.partial(items), x=1), "generator", "items", "str"),
    (functools.partial(Streamer(), 1), "generator", "Streamer", "int"),
    (functools.partial(later, 1), "async", "later", "str"),
    (wrapped, "generator", "items", "str"),
    (len, "plain", "len", "?"),
    (max, "plain", "max", "?"),
    (int, "plain", "int", "int"),
    (Rows, "generator", "Rows", "?"),
    (made_elsewhere, "generator", "made_elsewhere", "?"),
    (awaited_elsewhere, "async", "awaited_elsewhere", "tuple[int, str]"),
    (gives_coroutine, "async", "gives_coroutine", "Coroutine[None, None, str]"),
    ("a,b".split, "plain", "str.split", "?"),
]


@pytest.mark.parametrize(("fn", "kind", "name", "result"), KINDS, ids=[f"{row[1]}-{row[2]}" for row in KINDS])
def test_everything_callable_is_described(fn: Callable[..., object], kind: Kind, name: str, result: str) -> None:
    function = describe(fn)

    assert (function.kind, function.name, function.result) == (kind, name, result)
    assert function.fn is fn
    assert function.streams == ("generator" in kind)
    assert function.returns == (f"list[{result}]" if "generator" in kind else result)


def test_local_function_has_a_short_name() -> None:
    def inner() -> None: ...

    assert describe(inner).name == "inner"


STREAMING = [
    ("Iterator[int]", "generator"),
    (" Iterator[int] ", "generator"),
    ("collections.abc.Iterator[int]", "generator"),
    ("typing.Iterator[int]", "generator"),
    ("Generator[int, None, None]", "generator"),
    ("Iterator", "generator"),
    ("AsyncIterator[int]", "async_generator"),
    ("t.AsyncGenerator[int, None]", "async_generator"),
    (Iterator[int], "generator"),
    (Iterator, "generator"),
    (Generator[int, None, None], "generator"),
    (typing.Iterator[int], "generator"),
    (collections.abc.Iterator[int], "generator"),
    (AsyncIterator[int], "async_generator"),
    (AsyncGenerator[int, None], "async_generator"),
    ("Iterable[int]", "plain"),
    (Iterable[int], "plain"),
    ("list[int]", "plain"),
    ("list[Iterator[int]]", "plain"),
    ("Iterator[int] | None", "plain"),
    ("Iterator[int] | list[int]", "plain"),
    (Iterator[int] | None, "plain"),
    ("MyIterator[int]", "plain"),
    ("Rows", "generator"),
    (Rows, "generator"),
    ("enumerate[str]", "generator"),
    (enumerate[str], "generator"),
    ("collections.abc.Iterator[int] | Rows", "plain"),
    ("collections.Counter[str]", "plain"),
    ("collections.missing.Counter", "plain"),
    ("Coroutine[Any, Any, int]", "async"),
    (Coroutine[typing.Any, typing.Any, int], "async"),
    ("Awaitable[int]", "plain"),
    ("1 +", "plain"),
    ("None", "plain"),
    (None, "plain"),
]


@pytest.mark.parametrize(("annotation", "kind"), STREAMING, ids=[str(row[0]) for row in STREAMING])
def test_annotation_tells_a_stream_made_elsewhere(annotation: object, kind: Kind) -> None:
    """A function without `yield` that returns an iterator; as an object, and as text, which it is by `__future__`."""

    def made() -> object:
        return iter([1])

    made.__annotations__["return"] = annotation

    assert describe(made).kind == kind


def test_generator_that_says_iterable_streams() -> None:
    """The `yield` is enough, whatever the annotation calls it."""

    def gen() -> Iterable[int]:
        yield 1

    assert describe(gen).kind == "generator"
    assert describe(gen).result == "int"


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        ("dict[str, str]", "dict[str, str]"),
        (dict[str, str], "dict[str, str]"),
        (int, "int"),
        (None, "None"),
        (int | None, "int | None"),
        ("collections.Counter[str]", "Counter[str]"),
        (collections.Counter[str], "Counter[str]"),
        ("np.typing.NDArray[np.float64]", "NDArray[float64]"),
        # Since 3.14 it is the same object as `Adder | None`.
        (typing.Optional[Adder], "Adder | None" if sys.version_info >= (3, 14) else "Optional[Adder]"),  # noqa: UP045
        ("list[a.b.C]", "list[C]"),
    ],
)
def test_result_type_is_text_without_modules(annotation: object, text: str) -> None:
    def made() -> object:
        return None

    made.__annotations__["return"] = annotation

    assert element_type(made, streams=False) == text


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        ("Iterator[tuple[int, str]]", "tuple[int, str]"),
        (Iterator[dict[str, int]], "dict[str, int]"),
        ("Generator[list[int], None, str]", "list[int]"),
        (Generator[dict[str, int], int, None], "dict[str, int]"),
        ("AsyncIterator[x.Row]", "Row"),
        ("Iterable[int]", "int"),
        ("Iterator", "?"),
        ("Rows", "?"),
    ],
)
def test_item_type_is_the_first_argument(annotation: object, text: str) -> None:
    def made() -> object:
        return None

    made.__annotations__["return"] = annotation

    assert element_type(made, streams=True) == text


@pytest.mark.parametrize("given", [3, None, "plain", [plain], object()])
def test_only_callables_are_tasks(given: object) -> None:
    with pytest.raises(TaskError, match=r"^`task` needs a function; got "):
        describe(given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": ""}, r"^`name` must be a line of text that is not empty; got ''$"),
        ({"name": "  "}, r"^`name` must be a line of text that is not empty; got '  '$"),
        ({"name": "two\nlines"}, r"^`name` must be a line of text that is not empty; got 'two\\nlines'$"),
        ({"name": 3}, r"^`name` must be a line of text that is not empty; got 3$"),
        ({"retries": -1}, r"^`retries` must be a whole number >= 0 or a `daglite\.Retry`; got -1$"),
        ({"retries": 1.0}, r"^`retries` must be a whole number >= 0 or a `daglite.Retry`; got 1\.0$"),
        ({"retries": True}, r"^`retries` must be a whole number >= 0 or a `daglite\.Retry`; got True$"),
        ({"retries": None}, r"^`retries` must be a whole number >= 0 or a `daglite\.Retry`; got None$"),
        ({"timeout": 0}, r"^`timeout` must be a number of seconds > 0, or None; got 0$"),
        ({"timeout": "1"}, r"^`timeout` must be a number of seconds > 0, or None; got '1'$"),
        ({"timeout": float("nan")}, r"^`timeout` must be a number of seconds > 0, or None; got nan$"),
        ({"timeout": True}, r"^`timeout` must be a number of seconds > 0, or None; got True$"),
        ({"retry_on_crash": 1}, r"^`retry_on_crash` must be True or False; got 1$"),
        ({"on": "thread"}, r"^`on` must be 'processes', .* or None; got 'thread'; did you mean 'threads'\?$"),
        ({"on": 3}, r"^`on` must be 'processes', 'threads', 'coordinator' or None; got 3"),
        ({"workers": 2}, r"^`workers` of a task needs `on='processes'` or `on='threads'`; got workers=2 alone"),
        ({"on": "threads", "workers": 0}, r"^`workers` must be a whole number >= 1, or None; got 0$"),
        ({"on": "threads", "workers": True}, r"^`workers` must be a whole number >= 1, or None; got True$"),
        ({"on": "coordinator", "workers": 2}, r"^`on='coordinator'` runs one call at a time, .*; got 2$"),
        ({"on": "coordinator", "timeout": 1}, r"^`timeout` and `retry_on_crash=False` are for tasks on workers"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, typing.Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        describe(plain, **options)


def test_options_that_only_a_worker_can_keep() -> None:
    assert describe(plain, timeout=1.5).needs_worker
    assert describe(plain, retry_on_crash=False).needs_worker
    assert not describe(plain, retries=3, name="other").needs_worker


def test_parameters_an_item_may_fill() -> None:
    def f(a: int, /, b: int, *rest: int, c: int, d: int = 1, **more: int) -> None: ...

    assert free_parameters(describe(f), []) == ["a", "b", "c", "d"]
    assert free_parameters(describe(f), ["a", "c"]) == ["b", "d"]
    assert free_parameters(describe(functools.partial(f, 1)), [])[:1] == ["b"]
    assert free_parameters(describe(functools.partial(functools.partial(f, c=1), d=3)), []) == ["a", "b"]
    assert free_parameters(describe(Adder().method), []) == ["x"]
    assert free_parameters(describe(Adder), []) == ["amount"]


def test_values_by_position_fill_what_takes_them_and_then_the_rest() -> None:
    """What can be given by name only stands behind `*rest`, which takes as many as come."""

    def f(a: int, /, b: int, *rest: int, c: int = 1) -> None: ...

    assert fillable(describe(f), [], 1) == ["a", "b"]
    assert fillable(describe(f), ["b"], 3) == ["a", "*0", "*1"]
    assert fillable(describe(print), [], 2) == ["*0", "*1"]
    assert fillable(describe(plain), [], 9) == free_parameters(describe(plain), [])


@pytest.mark.parametrize("fn", [int, str, max, range, functools.partial(int, base=2)])
def test_function_of_which_python_tells_no_signature_takes_anything(fn: Callable[..., object]) -> None:
    assert signature_of(describe(fn)) is UNREAD
    assert signature_of(describe(len)) is not UNREAD


def test_near_names_are_suggested() -> None:
    assert suggest("pth", ["path", "n"]) == "; did you mean 'path'?"
    assert suggest("colour", ["path", "n"]) == ""
    assert suggest("x", []) == ""


def test_function_is_frozen_and_short() -> None:
    function = describe(plain)

    assert repr(function) == "Function(plain)"
    with pytest.raises(AttributeError, match="cannot assign to field 'name'"):
        function.name = "other"  # type: ignore[misc]
