"""Arguments meet parameters; every mistake raises at the line that makes it, naming task and parameter."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from daglite import Future, task
from daglite.binding import Bindable, known_parameters
from daglite.exceptions import ParameterError, TaskError
from daglite.functions import describe
from tests import samples

# Much here is refused by checkers as well, which is the business of tests/typing: these tests look at run time only.
double: Any = samples.double
fold: Any = samples.fold
minus: Any = samples.minus
one: Any = samples.one
pair: Any = samples.pair
rows: Any = samples.rows
scale: Any = samples.scale
shown: Any = samples.shown
total: Any = samples.total
weighted: Any = samples.weighted


def loose(fn: Callable[..., object]) -> Any:
    """A task that checkers know nothing of."""
    return task(fn)


def inline(future: Future[object]) -> object:
    return future.run(runtime="inline")


@loose
def every_kind(a: int, /, b: int, *rest: int, c: int, d: int = 9, **more: int) -> list[object]:
    return [a, b, rest, c, d, more]


@loose
def only_first(a: int, /, b: int = 2) -> tuple[int, int]:
    return a, b


@loose
def only_named(*, key: int, other: int = 2) -> tuple[int, int]:
    return key, other


@loose
def no_parameter() -> int:
    return 7


@loose
def rest_only(*rest: object, **more: object) -> object:
    return rest, more


class Point:
    def __init__(self, x: int) -> None:
        self.x = x

    def plus(self, task: int, fixed: int = 0) -> int:
        return self.x + task + fixed


# Direct calls.


def test_arguments_by_position_and_by_name() -> None:
    assert inline(minus(7, 2)) == inline(minus(7, b=2)) == inline(minus(b=2, a=7)) == 5
    assert inline(every_kind(1, 2, c=3)) == [1, 2, (), 3, 9, {}]
    assert inline(every_kind(1, 2, 4, 5, c=3, d=0, e=6)) == [1, 2, (4, 5), 3, 0, {"e": 6}]
    assert inline(only_first(1)) == (1, 2)
    assert inline(only_named(key=1)) == (1, 2)
    assert inline(no_parameter()) == 7
    assert inline(rest_only(1, None, k=False)) == ((1, None), {"k": False})


def test_falsy_values_are_values() -> None:
    assert inline(pair(None, 0)) == (None, 0)
    assert inline(pair.partial(a=None)(b="")) == (None, "")
    assert inline(pair.partial(b=None).map(a=[0, None])) == [(0, None), (None, None)]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: minus(), r"^task 'minus': missing a required argument: 'a'; it takes 'a', 'b'$"),
        (lambda: minus(1), r"^task 'minus': missing a required argument: 'b'; it takes 'a', 'b'$"),
        (lambda: minus(1, 2, 3), r"^task 'minus': too many positional arguments; it takes 'a', 'b'$"),
        (lambda: minus(1, a=2), r"^task 'minus': multiple values for argument 'a'; it takes 'a', 'b'$"),
        (lambda: minus(a=1, c=2), r"^task 'minus' has no parameter 'c'; it takes 'a', 'b'$"),
        (lambda: rows(m=3), r"^task 'rows' has no parameter 'm'; it takes 'n', 'start'$"),
        (lambda: rows.iter(n=1, stat=3), r"^task 'rows' has no parameter 'stat'; .*; did you mean 'start'\?$"),
        (lambda: rows.iter(), r"^task 'rows': missing a required argument: 'n'; it takes 'n', 'start'$"),
        (lambda: only_first(a=1), r"^task 'only_first': .*positional[ -]only.*; it takes 'a', 'b'$"),
        (lambda: only_named(1), r"^task 'only_named': too many positional arguments; it takes 'key', 'other'$"),
        (lambda: no_parameter(x=1), r"^task 'no_parameter' has no parameter 'x'; it takes no parameters$"),
        (lambda: scale.partial(by=2)(x=1, by=3), r"^task 'scale': parameter 'by' is bound twice; .*`\.partial`$"),
        (lambda: scale.partial(by=2)(1, 3), r"^task 'scale': too many positional arguments; it takes 'x'$"),
        (lambda: every_kind(1, 2, c=1, a=2), r"^task 'every_kind': .*'a'"),
    ],
)
def test_wrong_calls_raise_at_once(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        build()


# Partials.


def test_partial_fixes_by_name() -> None:
    assert inline(minus.partial(b=2)(7)) == 5
    assert inline(minus.partial(a=7)(2)) == 5
    assert inline(minus.partial(a=7).partial(b=2)()) == 5
    assert inline(only_first.partial(a=1)(3)) == (1, 3)
    assert inline(only_named.partial(key=5)()) == (5, 2)
    assert inline(every_kind.partial(a=1, c=3, e=5)(2, 8)) == [1, 2, (8,), 3, 9, {"e": 5}]
    assert inline(rows.partial(start=2).iter(n=2)) == [2, 3]


def test_partial_leaves_the_task_as_it_was() -> None:
    scale.partial(by=3)

    assert inline(scale(x=2)) == 20


def test_future_as_fixed_value_is_evaluated_once() -> None:
    calls: list[int] = []

    @loose
    def noted(n: int) -> int:
        calls.append(n)
        return n

    by = noted(n=3)

    assert inline(pair(scale.partial(by=by).map(x=[1, 2]), scale.partial(by=by)(x=5))) == ([3, 6], 15)
    assert calls == [3]


def test_stream_as_fixed_value_arrives_as_a_list() -> None:
    assert inline(pair.partial(b=rows.iter(n=2)).map(a=[7])) == [(7, [0, 1])]
    assert inline(total(items=rows.iter(n=3).then(double))) == 6


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: scale.partial(bye=1),
            r"^task 'scale' has no parameter 'bye'; .*; did you mean 'by'\?$",
        ),
        (lambda: scale.partial(by=1).partial(by=2), r"^task 'scale': parameter 'by' is bound twice; it is already fix"),
        (
            lambda: scale.partial(by=1).partial(colour=2),
            r"^task 'scale' has no parameter 'colour'; it takes 'x', 'by'$",
        ),
        (lambda: rows.partial(n=1).iter(n=2), r"^task 'rows': parameter 'n' is bound twice"),
        (
            lambda: rows.partial(rest=1),
            r"^task 'rows' has no parameter 'rest'; did|^task 'rows' has no parameter 'rest'",
        ),
        (lambda: rest_only.partial(k=1).partial(k=2), r"^task 'rest_only': parameter 'k' is bound twice"),
    ],
)
def test_wrong_partials_raise_at_once(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        build()


def test_parameters_may_have_any_name() -> None:
    """Also those of daglite's own methods."""
    plus = loose(Point.plus)

    assert inline(plus(self=Point(1), task=2, fixed=3)) == 6
    assert inline(plus.partial(self=Point(1), fixed=2)(3)) == 6
    assert inline(plus.map(self=[Point(1), Point(2)], task=[10, 20])) == [11, 22]
    assert inline(one(n=1).then(plus, self=Point(4), fixed=5)) == 10


def test_open_ended_keywords_do_not_hide_positional_ones() -> None:
    @loose
    def odd(a: int, /, **more: int) -> tuple[int, dict[str, int]]:
        return a, more

    assert inline(odd(1, b=2)) == (1, {"b": 2})
    with pytest.raises(ParameterError, match=r"^task 'odd': .*'a'"):
        odd(1, a=2)


# Items: the first parameter that nothing else fills.


def test_item_fills_the_first_free_parameter() -> None:
    stream = rows.iter(n=2)

    assert inline(stream.then(minus, b=10)) == [-10, -9]
    assert inline(stream.then(minus.partial(a=10))) == [10, 9]
    assert inline(stream.then(scale)) == [0, 10], "the other parameter keeps its default"
    assert inline(stream.then(only_first)) == [(0, 2), (1, 2)]
    assert inline(stream.then(only_first.partial(a=5))) == [(5, 0), (5, 1)]
    assert inline(stream.then(only_named)) == [(0, 2), (1, 2)]
    assert inline(stream.then(only_named.partial(key=5))) == [(5, 0), (5, 1)]
    assert inline(stream.then(every_kind.partial(b=1), c=2)) == [[0, 1, (), 2, 9, {}], [1, 1, (), 2, 9, {}]]


def test_extras_by_position_follow_the_item() -> None:
    stream = rows.iter(n=2, start=1)

    assert inline(stream.then(scale, 3)) == [3, 6]
    assert inline(stream.then(minus, 1)) == [0, 1]
    assert inline(stream.then(minus.partial(a=10))) == [9, 8]
    assert inline(stream.join(shown, "!")) == "[1, 2]!"


def test_extras_by_name_may_name_the_first_parameter() -> None:
    """Then the next one takes the item."""
    assert inline(rows.iter(n=2).then(minus, a=10)) == [10, 9]
    assert inline(one(n=3).then(minus, a=10)) == 7


def test_extras_may_be_futures_and_lists() -> None:
    stream = rows.iter(n=2)

    assert inline(stream.then(minus, b=one(n=4))) == [-4, -3]
    assert inline(stream.then(pair, b=[1, 2])) == [(0, [1, 2]), (1, [1, 2])]
    assert inline(stream.then(pair, b=rows.iter(n=1))) == [(0, [0]), (1, [0])]


def test_join_and_reduce_bind_alike() -> None:
    stream = rows.iter(n=3)

    assert inline(stream.join(shown)) == "[0, 1, 2]."
    assert inline(stream.join(shown.partial(after="!"))) == "[0, 1, 2]!"
    assert inline(stream.join(pair, a=7)) == (7, [0, 1, 2])
    assert inline(stream.reduce(weighted, initial=0)) == 6
    assert inline(stream.reduce(weighted.partial(by=10), initial=1)) == 31
    assert inline(stream.reduce(pair.partial(), initial=None)) == (((None, 0), 1), 2)


def test_items_skip_what_is_fixed_in_front_of_them() -> None:
    @loose
    def three(a: str, b: int, c: int) -> int:
        return len(a) + b * 10 + c

    assert inline(rows.iter(n=3).reduce(three.partial(a="xx"), initial=0)) == 234
    assert inline(rows.iter(n=1, start=5).reduce(three.partial(b=1), initial="xx")) == 17


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: rows.iter(n=1).then(minus),
            r"^`then` of task 'minus' leaves 'b' without a value; fix it with `\.partial` or give it as an extra$",
        ),
        (lambda: rows.iter(n=1).join(every_kind), r"^`join` of task 'every_kind' leaves 'b', 'c' without a value; "),
        (
            lambda: rows.iter(n=1).then(no_parameter),
            r"^`then` needs a parameter of task 'no_parameter' that nothing else fills; free: none$",
        ),
        (lambda: rows.iter(n=1).then(scale.partial(x=1, by=2)), r"^`then` needs a parameter of task 'scale' .*none$"),
        (lambda: rows.iter(n=1).then(task(lambda **more: more)), r"^`then` needs a parameter .*free: none$"),
        (
            lambda: rows.iter(n=1).reduce(double, initial=0),
            r"^`reduce` needs 2 parameters of task 'double' that nothing else fills; free: 'x'$",
        ),
        (lambda: rows.iter(n=1).reduce(minus.partial(a=1), initial=0), r"^`reduce` needs 2 parameters .*; free: 'b'$"),
        (
            lambda: rows.iter(n=1).then(scale, 1, 2),
            r"^`then` got 2 extra values for task 'scale', which has room for 1$",
        ),
        (lambda: rows.iter(n=1).then(scale, 1, by=2), r"^`then` got 1 extra values for task 'scale', which has room"),
        (lambda: rows.iter(n=1).then(scale, bye=2), r"^task 'scale' has no parameter 'bye'; .*; did you mean 'by'\?$"),
        (lambda: rows.iter(n=1).then(scale.partial(by=1), by=2), r"^task 'scale': parameter 'by' is bound twice; "),
        (lambda: one(n=1).then(minus), r"^`then` of task 'minus' leaves 'b' without a value; "),
        (lambda: rows.iter(n=1).reduce(fold, initial=0).then(minus), r"^`then` of task 'minus' leaves 'b' without"),
    ],
)
def test_wrong_chains_raise_at_once(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        build()


# Plain functions, and functools.partial of tasks.


@pytest.mark.parametrize("method", ["then", "join"])
@pytest.mark.parametrize("given", [len, lambda x: x, int, functools.partial(len), 3, None])
def test_plain_function_is_no_task(method: str, given: object) -> None:
    with pytest.raises(
        TaskError, match=rf"^`{method}` needs a task; got .*; decorate the function with `@task` or wrap"
    ):
        getattr(rows.iter(n=1), method)(given)
    with pytest.raises(TaskError, match=r"^`reduce` needs a task; got "):
        rows.iter(n=1).reduce(given, initial=0)
    with pytest.raises(TaskError, match=r"^`then` needs a task; got "):
        one(n=1).then(given)


def test_message_shows_how_to_wrap_a_function() -> None:
    with pytest.raises(TaskError, match=r"or wrap it: task\(len\)$"):
        rows.iter(n=1).then(len)


def test_function_that_returns_a_future_is_no_task() -> None:
    """Checkers let it pass: for them a task is a callable that gives a future."""
    with pytest.raises(TaskError, match=r"^`then` needs a task; got <function .*<lambda>"):
        rows.iter(n=1).then(lambda x: double(x))


def test_functools_partial_of_a_task() -> None:
    """Its values are fixed in the order of the parameters, as the call would have it."""
    stream = rows.iter(n=2)

    assert inline(stream.then(functools.partial(minus, 10))) == [10, 9]
    assert inline(stream.then(functools.partial(minus, b=10))) == [-10, -9]
    assert inline(stream.then(functools.partial(functools.partial(pair, 1)))) == [(1, 0), (1, 1)]
    assert inline(stream.then(functools.partial(minus.partial(a=3)))) == [3, 2]
    assert inline(stream.join(functools.partial(shown, after="!"))) == "[0, 1]!"
    assert inline(stream.reduce(functools.partial(weighted, by=10), initial=0)) == 10
    assert inline(one(n=3).then(functools.partial(minus, 10))) == 7


def test_item_leaves_alone_what_functools_partial_has_filled() -> None:
    """Python would let it be filled again, by name."""
    filled = task(functools.partial(lambda a, b=0: a - b, a=10))

    assert inline(rows.iter(n=2).then(filled)) == [10, 9]
    assert inline(rows.iter(n=2).then(filled, a=5)) == [5, 4]
    with pytest.raises(ParameterError, match=r"^`then` needs a parameter of task .*; free: none$"):
        rows.iter(n=1).then(task(functools.partial(lambda a: a, a=1)))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: rows.iter(n=1).then(functools.partial(minus, 1, 2, 3)),
            r"^functools\.partial gives 3 values to task 'minus', which takes 2$",
        ),
        (lambda: rows.iter(n=1).then(functools.partial(minus, 1, 2)), r"^`then` needs a parameter of task 'minus'"),
        (lambda: rows.iter(n=1).then(functools.partial(minus, c=2)), r"^task 'minus' has no parameter 'c'"),
        (
            lambda: rows.iter(n=1).then(functools.partial(minus.partial(a=1), a=2)),
            r"^task 'minus': parameter 'a' is bound twice",
        ),
    ],
)
def test_wrong_functools_partials_raise_at_once(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        build()


# What key templates may name.


def test_known_parameters_are_those_with_a_value_of_their_own() -> None:
    def f(a: int, b: int, c: int = 3, *rest: int, d: int = 4, **more: int) -> Iterator[int]:
        yield a

    bound = loose(f).partial(b=2)(1, 5, 6, e=7)
    call = bound.node.call

    assert sorted(known_parameters(call, ())) == ["a", "b", "c", "d", "e"]
    assert sorted(known_parameters(call, ("a",))) == ["b", "c", "d", "e"]


def test_bindable_is_a_function_with_fixed_values() -> None:
    assert Bindable(describe(len)).fixed == ()
    assert [binding.name for binding in scale.partial(by=1).fixed] == ["by"]


ONE = samples.one(n=1)


@pytest.mark.parametrize("held", [[ONE], (1, ONE), {"a": ONE}, {ONE}], ids=["list", "tuple", "dict", "set"])
def test_futures_inside_a_container_are_refused(held: object) -> None:
    """They would arrive as they are, and fail far away."""
    kept = task(lambda values: values, name="kept")
    with pytest.raises(ParameterError, match=rf"'kept': 'values' holds futures inside a {type(held).__name__}"):
        kept(values=held)
    with pytest.raises(ParameterError, match="holds futures inside"):
        kept.partial(values=held)
