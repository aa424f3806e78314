"""check_types: neighbouring annotations are compared when asked; only what is surely wrong is reported."""

from __future__ import annotations

import ast
import builtins
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal, NewType, Protocol, TypeVar

import pytest

from daglite import Future, compile, ref, task
from daglite.exceptions import DagliteError, ParameterError, TaskError
from tests.typing import shop
from tests.typing.programs import OK, Program, negatives, positives
from tests.typing.shop import count, double, minus, upper

X = TypeVar("X")
Number = NewType("Number", int)


class Animal: ...


class Dog(Animal): ...


class Barks(Protocol):
    def bark(self) -> None: ...


@task
def nothing(x: int) -> None: ...


@task
def shown(total: int, item: int) -> str:
    return ""


@task
def strand(acc: str, item: str) -> str:
    return acc + item


def joined(one: str, other: str) -> str:
    return one + other


def numbered(one: str, other: str) -> int:
    return 0


class Shop:
    def price(self, x: str) -> float:
        return 1.0

    def __call__(self, x: str) -> float:
        return 1.0


started = task(functools.partial(shop.prefixed.fn, x=1))


@task
def lists(n: int) -> Iterator[list[int]]:
    yield [n]


def passes(pipeline: Future[Any]) -> bool:
    try:
        compile(pipeline, check_types=True)
    except TaskError:
        return False
    return True


def built(code: str) -> Future[Any]:
    """A pipeline that no checker accepts."""
    future = eval(code, vars(shop) | globals())
    assert isinstance(future, Future)
    return future


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("numbers.iter(n=3).then(upper)", "task 'upper' takes str for 'text'; task 'numbers' gives int"),
        ("numbers.iter(n=3).then(double).then(upper)", "'upper' takes str for 'text'; task 'double' gives int"),
        ("count().then(upper)", "task 'upper' takes str for 'text'; task 'count' gives int"),
        ("upper(text=nothing(x=1))", "task 'upper' takes str for 'text'; task 'nothing' gives None"),
        ("numbers.iter(n=3).join(double)", r"'double' takes int for 'x'; task 'numbers' gives list\[int\]"),
        ("words.iter(text='a').join(total)", r"'total' takes list\[int\] .*; task 'words' gives list\[str\]"),
        ("lists.iter(n=3).join(total)", r"'total' takes list\[int\] .*; task 'lists' gives list\[list\[int\]\]"),
        ("numbers.map(n=[1]).join(total)", r"'total' takes .*; task 'numbers' gives list\[list\[int\]\]"),
        ("words.iter(text='a').reduce(add, initial=0.0)", "takes float for 'item'; task 'words' gives str"),
        ("numbers.iter(n=3).reduce(shown, initial=0)", "'shown' takes int for 'total'; task 'shown' gives str"),
        (
            "numbers.iter(n=3).reduce(add, initial=0.0, combine=joined)",
            "task 'joined' takes str for 'one'; task 'add' gives float",
        ),
        (
            "words.iter(text='a').reduce(strand, initial='', combine=numbered)",
            "task 'numbered' takes str for 'one'; task 'numbered' gives int",
        ),
        (
            "numbers.iter(n=3).reduce(add, initial=0.0, combine=add, empty=upper(text=''))",
            "takes float for 'total'; task 'upper' gives str",
        ),
        ("numbers.iter(n=3).reduce(add, initial=upper(text=''))", "takes float for 'total'; task 'upper' gives str"),
        ("upper.map(text=listing(n=3))", "task 'upper' takes str for 'text'; task 'listing' gives int"),
        ("upper.map(text=numbers(n=3))", "task 'upper' takes str for 'text'; task 'numbers' gives int"),
        ("numbers.iter(n=3).then(label, prefix=count())", "'label' takes str for 'prefix'; task 'count' gives int"),
        ("scale.partial(factor=upper(text='a'))(x=1.0)", "takes float for 'factor'; task 'upper' gives str"),
        ("numbers.iter(n=upper(text='a'))", "task 'numbers' takes int for 'n'; task 'upper' gives str"),
        ("numbers.iter(n=3).save('{iteration_index}').then(upper)", "takes str .* gives int"),
        ("count().then(task(Shop().price))", "takes str for 'x'; task 'count' gives int"),
        ("count().then(task(Shop()))", "takes str for 'x'; task 'count' gives int"),
        ("count().then(started)", "takes str for 'prefix'; task 'count' gives int"),
        ("task(Dog)().then(double)", "takes int for 'x'; task 'Dog' gives .*Dog"),
    ],
)
def test_mismatch_names_both_tasks_and_both_types(code: str, message: str) -> None:
    with pytest.raises(TaskError, match=message):
        compile(built(code), check_types=True)
    compile(built(code))


def takes(annotation: object) -> Callable[..., object]:
    def taker(x: object) -> object:
        return x

    taker.__annotations__ = {"x": annotation}
    return taker


def gives(annotation: object) -> Callable[..., object]:
    def giver() -> object:
        return None

    giver.__annotations__ = {"return": annotation}
    return giver


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (int, int), (bool, int), (int, float), (float, complex), (int, object), (object, int), (Any, int), (int, Any),
        (int, X), (X, int), (int, Number), (Dog, Animal), (Animal, Dog), (Dog, Barks), (int, int | None),
        (int | None, int), (int | str, str), (list[int], list[int]), (list[int], Sequence[str]), (list, list[int]),
        (list[int], list[Any]), (list[int], list[float]), (str, Iterable[str]), (int, Literal[1]), (Literal[1], str),
        (tuple[int, ...], tuple[int, str]), (tuple[int], tuple[int, int]), (int, "Unknown"), ("Unknown", int),
        (bytearray, bytes), (type[int], type), (Callable[[int], int], Callable[[str], int]), (None, None),
    ],
)  # fmt: skip
def test_what_may_fit_passes(given: object, wanted: object) -> None:
    assert passes(task(takes(wanted))(x=task(gives(given))()))


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (int, str), (float, int), (int, str | None), (int | float, str), (None, int), (list[int], int),
        (int, list[int]), (list[int], list[str]), (dict[str, int], dict[str, str]), (int, Iterable[int]), (Animal, int),
        (list[list[int]], list[list[str]]), (tuple[int, str], tuple[int, int]), (int, Callable[[], int]),
        (Callable[[], int], Callable[[], str]),
    ],
)  # fmt: skip
def test_what_never_fits_is_refused(given: object, wanted: object) -> None:
    assert not passes(task(takes(wanted))(x=task(gives(given))()))


def test_what_has_no_annotation_passes() -> None:
    assert passes(count().then(task(lambda x: x)).then(upper))


def test_long_chain_is_checked() -> None:
    pipeline = minus.map(a=[1], b=[2])
    for _ in range(3000):
        pipeline = pipeline.then(double)
    assert passes(pipeline)
    assert not passes(upper(text=ref(pipeline)))  # type: ignore[arg-type]


def test_switch_is_a_bool() -> None:
    with pytest.raises(ParameterError, match="`check_types` must be True or False; got 1"):
        compile(count(), check_types=1)  # type: ignore[arg-type]


def compiled(program: Program) -> None:
    """Run a program; each future that stands alone or in `assert_type` is compiled with the check."""
    tree = ast.parse(program.text)
    for statement in tree.body:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            call = statement.value
            looked = call.args[0] if isinstance(call.func, ast.Name) and call.func.id == "assert_type" else call
            statement.value = ast.Call(ast.Name("look", ast.Load()), [looked], [])
    code = builtins.compile(ast.fix_missing_locations(tree), "program", "exec")
    exec(code, {"__name__": program.file.stem, "look": look})


def look(value: object) -> None:
    if isinstance(value, Future):
        compile(value, check_types=True)


@pytest.mark.parametrize("program", positives(), ids=lambda program: program.file.stem)
def test_no_false_alarm_on_what_checkers_accept(program: Program) -> None:
    if program.said["python"] == OK:
        compiled(program)


def test_finds_most_mismatches_between_stages() -> None:
    """Of the programs that build and that mypy rejects in a chain, those with a mismatch of plain classes."""
    asked = [p for p in negatives() if p.name.startswith(("chain", "join", "reduce")) and p.said["python"] == OK]
    missed = []
    for program in asked:
        try:
            compiled(program)
        except DagliteError:
            continue
        missed.append(program.name)
    assert len(asked) >= 20
    # Plain values are not compared.
    assert [name for name in missed if not any(one in name for one in ("initial", "extra", "empty"))] == [
        "chain of an item of a wrong type: a decorated function",  # its annotations may be those of another function
        "chain of an item of a wrong type: an optional item",  # the item may be what it has to be
    ]
