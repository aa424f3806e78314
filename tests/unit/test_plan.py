"""Plans: comparable, hashable, picklable, with a fingerprint; and `daglite.compile`, function and package."""

from __future__ import annotations

import copy
import importlib
import inspect
import pickle
import threading
import types
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import dill
import pytest

import daglite
from daglite import Future, Plan, Task, compile, task
from daglite.exceptions import ParameterError, TaskError
from daglite.run_options import COMPILE_OPTIONS
from tests.samples import Memory, double, fold, minus, one, pair, rows, scale, shown, told_by, total

FUSED = rows.iter(n=4).then(scale.partial(by=3)).reduce(fold, initial=0)


def adder(amount: object) -> Task[..., object]:
    def add(x: object) -> object:
        return x + amount  # type: ignore[operator]

    return task(add)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (lambda: rows.iter(n=3).then(double), lambda: double.map(x=rows.iter(n=3))),
        (lambda: rows.partial(start=1).iter(n=2), lambda: rows.iter(n=2, start=1)),
        (lambda: rows.iter(2, 1), lambda: rows.iter(start=1, n=2)),
        (lambda: scale.partial(by=2)(x=1), lambda: scale(1, 2)),
        (lambda: double(x=one(n=1)), lambda: one(n=1).then(double)),
        (lambda: adder(1)(x=1), lambda: adder(1)(x=1)),
        (lambda: adder(float("nan"))(x=1), lambda: adder(float("nan"))(x=1)),
        (lambda: rows.iter(n=2).save("{iteration_index}"), lambda: rows.iter(n=2).save("{iteration_index}")),
    ],
)
@pytest.mark.parametrize("optimize", [True, False])
def test_equal_pipelines_give_equal_plans(
    left: Callable[[], Future[object]], right: Callable[[], Future[object]], optimize: bool
) -> None:
    one_plan, other = compile(left(), optimize=optimize), compile(right(), optimize=optimize)

    assert one_plan == other
    assert hash(one_plan) == hash(other)
    assert one_plan.fingerprint == other.fingerprint
    assert one_plan.fingerprint is not None


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (rows.iter(n=3), rows.iter(n=4)),
        (rows.iter(n=3), rows(n=3)),
        (one(n=1), one(n=True)),
        (rows.iter(n=3).then(double), rows.iter(n=3).then(double).then(double)),
        (rows.iter(n=3).then(minus, b=1), rows.iter(n=3).then(minus.partial(a=1))),
        (minus.map(a=[1], b=[2]), minus.map(a=[1], b=[2], map_mode="product")),
        (minus.map(a=[1], b=[2], map_mode="product"), minus.map(b=[2], a=[1], map_mode="product")),
        (rows.iter(n=3).reduce(fold, initial=0), rows.iter(n=3).reduce(fold, initial=0, ordered=False)),
        (rows.iter(n=3).reduce(fold, initial=0), rows.iter(n=3).reduce(fold, initial=1)),
        (rows.iter(n=3).reduce(fold, initial=0), rows.iter(n=3).reduce(fold, initial=0, combine=minus)),
        (
            rows.iter(n=3).reduce(fold, initial=0, combine=max),
            rows.iter(n=3).reduce(fold, initial=0, combine=min),
        ),
        (
            rows.iter(n=3).reduce(fold, initial=0, combine=minus, empty=0),
            rows.iter(n=3).reduce(fold, initial=0, combine=minus, empty=1),
        ),
        (rows.iter(n=3).join(total), rows.iter(n=3).join(shown)),
        (rows.iter(n=3), rows.iter(n=3).save("{iteration_index}")),
        (one(n=1).save("a"), one(n=1).save("b")),
        (one(n=1), one.with_options(retries=1)(n=1)),
        (one(n=1), one.with_options(name="uno")(n=1)),
        (adder(1)(x=1), adder(2)(x=1)),
        (task(lambda x: x + 1)(x=1), task(lambda x: x - 1)(x=1)),
    ],
)
def test_different_pipelines_give_different_plans(left: Future[object], right: Future[object]) -> None:
    one_plan, other = compile(left), compile(right)

    assert one_plan != other
    assert one_plan.fingerprint != other.fingerprint


def test_sharing_is_part_of_equality() -> None:
    def shared() -> Future[object]:
        first = one(n=1)
        return pair(first, first)

    apart = compile(pair(one(n=1), one(n=1)))

    assert compile(shared()) == compile(shared())
    assert compile(shared()) != apart
    assert compile(shared()).fingerprint != apart.fingerprint


def test_crossed_arguments_are_told_apart() -> None:
    """Steps and values are equal; only who reads what differs."""

    def crossed(*, swap: bool) -> Plan[object]:
        a, b = one(n=1), one(n=1)
        return compile(pair(minus(a=a, b=b), minus(a=b, b=a) if swap else minus(a=a, b=b)))

    assert crossed(swap=True) == crossed(swap=True)
    assert crossed(swap=True) != crossed(swap=False)
    assert crossed(swap=True).fingerprint != crossed(swap=False).fingerprint


def test_limits_are_compared_but_not_in_the_fingerprint() -> None:
    plan, narrow = compile(FUSED), compile(FUSED, max_in_flight=8)

    assert plan != narrow
    assert plan.fingerprint == narrow.fingerprint
    assert plan != compile(FUSED, optimize=False)


def test_stores_are_compared_but_not_in_the_fingerprint(tmp_path: Path) -> None:
    here, there = (one(n=1).save("a", save_store=tmp_path / name) for name in ("here", "there"))

    assert compile(here) == compile(one(n=1).save("a", save_store=tmp_path / "here"))
    assert compile(here) != compile(there)
    assert compile(here).fingerprint == compile(there).fingerprint


def test_plan_is_no_equal_of_other_things() -> None:
    assert compile(FUSED) != "plan"
    assert compile(FUSED) != FUSED
    assert compile(FUSED) == mock.ANY


def test_hash_covers_step_kinds_and_names_only() -> None:
    """Values need not be hashable, and need not be looked at."""
    assert hash(compile(total(items=[1]))) == hash(compile(total(items=[2])))
    assert hash(compile(rows.iter(n=1))) != hash(compile(rows(n=1)))
    assert len({compile(FUSED), compile(FUSED), compile(one(n=1))}) == 2


@pytest.mark.parametrize("clone", [lambda p: pickle.loads(pickle.dumps(p)), copy.deepcopy, copy.copy])
@pytest.mark.parametrize("optimize", [True, False])
@pytest.mark.parametrize(
    "pipeline", [FUSED, adder([1, {2}])(x=[0]), pair(rows.iter(n=2), adder(1).map(x=[1.5])).save("p")]
)
def test_plan_equals_its_copy(
    clone: Callable[[Plan[object]], object], pipeline: Future[object], optimize: bool
) -> None:
    plan = compile(pipeline, optimize=optimize)
    again = clone(plan)

    assert isinstance(again, Plan)
    assert again == plan
    assert (again.fingerprint, again.explain()) == (plan.fingerprint, plan.explain())


def test_plan_survives_dill() -> None:
    plan = compile(adder(5).map(x=[1, 2]))
    again = dill.loads(dill.dumps(plan))

    assert again == plan
    assert again.run(runtime="inline") == [6, 7]


def test_unpickled_plan_runs() -> None:
    store = Memory()
    plan = pickle.loads(pickle.dumps(compile(FUSED.save("r"))))

    assert plan.run(runtime="inline", store=store) == 54
    assert store.saved == [("r", 54)]


def test_plan_is_immutable() -> None:
    plan = compile(FUSED)

    with pytest.raises(AttributeError, match="cannot assign to field 'program'"):
        plan.program = plan.program  # type: ignore[misc]


def test_run_leaves_the_plan_as_it_was() -> None:
    @task
    def grow(acc: list[int], item: int) -> list[int]:
        acc.append(item)
        return acc

    plan = compile(rows.iter(n=2).reduce(grow, initial=[]))
    before = plan.fingerprint, plan.explain()

    assert plan.run(runtime="inline") == [0, 1]
    assert plan.run(runtime="inline") == [0, 1]
    assert (plan.fingerprint, plan.explain()) == before


def test_iterator_as_mapped_argument_runs_again() -> None:
    plan = compile(double.map(x=iter([1, 2])))

    assert plan.run(runtime="inline") == plan.run(runtime="inline") == [2, 4]


def test_repr_is_short() -> None:
    assert repr(compile(FUSED)) == "Plan(ReduceFuture[int], 1 stage)"
    assert repr(compile(FUSED, optimize=False)) == "Plan(ReduceFuture[int], 3 stages)"


def test_repr_of_a_stream_tells_whether_it_is_closed() -> None:
    with compile(rows.iter(n=3)).stream(runtime="inline") as items:
        assert repr(items) == "<ItemStream>"
    assert repr(items) == "<ItemStream, closed>"


def test_future_run_is_compile_and_run() -> None:
    assert FUSED.run(runtime="inline") == compile(FUSED).run(runtime="inline") == 54


@pytest.mark.parametrize("ordered", [None, 1, "no"])
def test_order_of_a_stream_is_yes_or_no(ordered: object) -> None:
    plan = compile(double.map(x=[1, 2]))
    with pytest.raises(ParameterError, match=f"`ordered` of `stream` must be True or False; got {ordered!r}"):
        plan.stream(ordered=ordered)  # type: ignore[arg-type]  # the mistake


def test_only_plans_of_items_stream() -> None:
    with compile(rows.iter(n=3).then(double)).stream(runtime="inline") as items:
        assert list(items) == [0, 2, 4]
    for pipeline in (FUSED, one(n=1), rows(n=2)):
        with pytest.raises(TaskError, match=r"^`stream` needs a plan that ends in items; this one gives .*; use `run`"):
            compile(pipeline).stream(runtime="inline")


def test_initial_value_that_cannot_be_copied_is_refused_by_name() -> None:
    with pytest.raises(ParameterError, match=r"^`initial` of `reduce` with task 'fold' cannot be copied: "):
        rows.iter(n=2).reduce(fold, initial=threading.Lock()).run(runtime="inline")


PRINTS = """
from collections.abc import Iterator
import daglite
from daglite import task

known = {"b", "a", "c", "long enough to be hashed"}
by = {"x": 1, "y": {2, 3}}

@task
def rows(n: int, kinds: frozenset[str] = frozenset({"u", "v", "w"})) -> Iterator[int]:
    yield from range(n)

def close_over(value):
    return task(lambda x: (x in {"p", "q", "r"}, value), name="closed")

p = rows.iter(n=3).then(close_over(known)).join(task(lambda items, by: items), by)
print(daglite.compile(p).fingerprint)
print(daglite.compile(p, optimize=False).fingerprint)
"""


def test_fingerprint_is_the_same_in_every_process() -> None:
    first, second = told_by(PRINTS, seed=1), told_by(PRINTS, seed=2)

    assert first == second
    assert len(set(first.split())) == 2
    assert all(len(digest) == 32 for digest in first.split())


def test_fingerprint_says_why_there_is_none() -> None:
    plan = compile(one(n=object()))

    assert plan.fingerprint is None
    assert "no fingerprint: " in plan.explain()
    assert plan.explain().startswith("plan (no fingerprint)   TaskFuture[int]")
    assert plan != compile(one(n=object()))


def test_plans_of_one_object_are_equal_without_a_fingerprint() -> None:
    value = object()

    assert compile(one(n=value)) == compile(one(n=value))


@pytest.mark.parametrize(
    ("pipeline", "reason"),
    [
        (one(n=object()), "argument 'n' of task 'one': the value is a bare 'object'"),
        (double.map(x=[1, object()]), "argument 'x' of task 'double': item 1 of the value is a bare 'object'"),
        (rows.iter(n=1).then(minus, b=object()), "argument 'b' of task 'minus': the value is a bare 'object'"),
        (rows.iter(n=1).reduce(fold, initial=object()), "argument 'initial' of task 'fold': the value is a bare"),
        (adder(object())(x=1), "closure value 'amount' of task 'add' is a bare 'object'"),
    ],
)
def test_reason_names_the_task_and_the_value(pipeline: Future[object], reason: str) -> None:
    *_, last = compile(pipeline).explain().splitlines()

    assert last.startswith("no fingerprint: ")
    assert reason in last


@pytest.mark.parametrize(
    "code",
    [
        "import daglite; plan = daglite.compile(p)",
        "import daglite; plan = daglite.compile.compile(p)",
        "import daglite; daglite.compile.rules.fuse_maps; plan = daglite.compile(p)",
        "import daglite.compile; plan = daglite.compile(p)",
        "import daglite.compile as c; plan = c(p); plan = c.compile(p)",
        "import daglite.compile.rules; plan = daglite.compile(p)",
        "import daglite.compile.driver as d; d.rewrite; import daglite.compile as c; plan = c(p)",
        "from daglite import compile; plan = compile(p)",
        "from daglite.compile import compile; plan = compile(p)",
        "from daglite import *; plan = compile(p)",
        "import importlib; plan = importlib.import_module('daglite.compile')(p)",
        "import sys; plan = sys.modules['daglite.compile'](p, optimize=True)",
    ],
)
def test_compile_is_function_and_package(code: str) -> None:
    names: dict[str, object] = {"p": FUSED}
    exec(code, names)

    assert names["plan"] == compile(FUSED)


def test_compile_travels_by_name() -> None:
    package = importlib.import_module("daglite.compile")

    assert pickle.loads(pickle.dumps(package)) is package
    assert dill.loads(dill.dumps(package)) is package
    assert copy.deepcopy(package) is package
    assert copy.copy(package) is package
    assert pickle.loads(pickle.dumps(compile)) is compile


def test_compile_shows_its_signature_and_docs() -> None:
    package = importlib.import_module("daglite.compile")

    assert isinstance(package, types.ModuleType)
    assert callable(package)
    assert inspect.signature(package) == inspect.signature(compile)
    assert "Turn a pipeline into an immutable plan" in (inspect.getdoc(package.compile) or "")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_in_fligth": 3}, r"^`compile` has no option 'max_in_fligth'; it has .*; did you mean 'max_in_flight'\?$"),
        ({"workers": 3}, r"^'workers' is an option of a run: write `compile\(\.\.\.\)\.run\(workers=\.\.\.\)`$"),
    ],
)
def test_compile_tells_of_unknown_options(options: dict[str, int], message: str) -> None:
    for compiling in (compile, daglite.compile):
        with pytest.raises(ParameterError, match=message):
            compiling(FUSED, **options)  # type: ignore[arg-type]  # what is tested


def test_options_of_compile_are_known_to_runs_and_to_the_command_line() -> None:
    parameters = inspect.signature(compile).parameters.values()

    assert tuple(one.name for one in parameters if one.kind is one.KEYWORD_ONLY) == COMPILE_OPTIONS


def test_compile_can_be_replaced_for_a_while() -> None:
    with mock.patch("daglite.compile") as fake:
        daglite.compile(FUSED)
    fake.assert_called_once_with(FUSED)
    with (
        mock.patch("daglite.compile.driver.rewrite", side_effect=TaskError("patched")),
        pytest.raises(TaskError, match=r"^patched$"),
    ):
        daglite.compile(FUSED)
    assert daglite.compile(FUSED) == compile(FUSED)


RELOADS = """
import importlib, daglite
p = daglite.task(lambda: 1)()
importlib.reload(daglite.compile)
print(daglite.compile(p).run(runtime="inline"), daglite.compile.compile(p).run(runtime="inline"))
"""


def test_compile_can_be_reloaded() -> None:
    assert told_by(RELOADS, seed=0) == "1 1\n"
