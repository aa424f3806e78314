"""The laws of pipelines, each over random graphs; none of them starts a process. See docs/explanation/laws.md."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

import daglite
from daglite import item_seed, task
from daglite.compile.rewrite import Rule
from daglite.compile.rules import RULES
from daglite.exceptions import ExecutionError
from tests.properties.build import build, task_of
from tests.properties.describe import Args, Const, Each, Fn, Fold, Graph, Invoke, Iterate, Join, Sift, Take
from tests.properties.draw import graphs
from tests.properties.functions import FUNCTIONS, Refused
from tests.properties.oracle import evaluate
from tests.properties.trial import EXAMPLES, Seen, agree, compiled_with, end, trial
from tests.properties.values import VALUES, item_lists

MANY = settings(max_examples=2 * EXAMPLES)
SOME = settings(max_examples=EXAMPLES)
OF_ONE = st.sampled_from(["mark", "echo", "void", "blank", "listing", "picky", "spread"])
STYLES = st.sampled_from(["module", "closure", "async"])
FNS = st.builds(Fn, OF_ONE, STYLES)
FILTERS = st.builds(Fn, st.sampled_from(["likes", "odds", "fussy"]), STYLES)
FOLDS = st.builds(Fn, st.sampled_from(["fold", "tally", "choosy", "lagfold"]), STYLES)
STORES = {"own": Seen().stores["own"], "run": None}


@MANY
@given(graphs())
def test_law_1_optimised_is_plain_is_oracle(graph: Graph) -> None:
    """Optimised, not optimised and the oracle agree: on the value or the error, and on every save and its order."""
    agree(graph, trial(graph))
    agree(graph, trial(graph, compiling={"optimize": False}))


@SOME
@given(graphs(stream=True), FNS, FNS)
def test_law_2_two_maps_are_one_map_of_both(graph: Graph, first: Fn, second: Fn) -> None:
    """`.then(f).then(g)` gives what `.then(g after f)` gives."""
    f, g = called(first), called(second)
    source = build(graph, STORES)
    apart = source.then(task_of(first, 100, {})).then(task_of(second, 101, {}))  # type: ignore[attr-defined]
    both = build(graph, STORES).then(task(lambda x: g(f(x))))  # type: ignore[attr-defined]
    for optimize in (True, False):
        one, other = (end(daglite.compile(each, optimize=optimize)) for each in (apart, both))
        if optimize or len(one) == 1:
            assert one == other
        else:
            # Not optimised, f is through with all items before g begins: another item may be the first to fail.
            assert one[:1] == other[:1]


def ended(call: Callable[[], object]) -> tuple[object, ...]:
    """How a plain call ends, in the words of `end`."""
    try:
        return (repr(call()),)
    except Refused as error:
        return type(error), str(error)


def called(fn: Fn) -> Callable[..., Any]:
    """The plain function, with a generator's items as a list."""
    plain = FUNCTIONS[fn.name]
    return (lambda x: list(plain(x))) if fn.name == "spread" else plain  # type: ignore[call-overload]


@SOME
@given(graphs(failures=False), st.integers(-(2**70), 2**70))
def test_law_19_seeds_are_those_of_step_and_item(graph: Graph, seed: int) -> None:
    """What each step draws for its items is the same, optimised or not; it is another for another item or step."""
    drawn: list[Counter[tuple[int, object]]] = []
    for optimize in (True, False):
        found = Counter[tuple[int, object]]()

        def ready(position: int, found: Counter[tuple[int, object]] = found) -> Callable[[], None]:
            return lambda: found.update([(position, seed_here())])

        trial(graph, ready=ready, compiling={"optimize": optimize}, seed=seed)
        drawn.append(found)
    if not evaluate(graph).over:
        # Behind the last item that is taken there may be calls or not.
        assert drawn[0] == drawn[1]
    single = {key for found in drawn for key in found if key[1] is not None}
    assert len({seed for _, seed in single}) == len(single)


def seed_here() -> int | None:
    """The seed of a task; None in a fold, which has no item."""
    try:
        return item_seed()
    except ExecutionError:
        return None


@MANY
@given(graphs(stream=True), FNS)
def test_law_3_map_form_is_fluent_form(graph: Graph, fn: Fn) -> None:
    """`f.map(x=s)` and `s.then(f)` compile to the same plan, with the same text and the same fingerprint."""
    root, after = graph.root, len(graph.nodes)
    mapped = Graph((*graph.nodes, Each(root, fn, (), fluent=False)), after)
    fluent = Graph((*graph.nodes, Each(root, fn, (), fluent=True)), after)
    for optimize in (True, False):
        one, other = (daglite.compile(build(each, STORES), optimize=optimize) for each in (mapped, fluent))
        assert one == other
        assert hash(one) == hash(other)
        assert one.explain() == other.explain()
        assert one.fingerprint == other.fingerprint is not None


@SOME
@given(graphs(stream=True, failures=False), FOLDS, VALUES, st.booleans())
def test_law_4_ordered_reduce_is_functools_reduce(graph: Graph, fn: Fn, initial: object, optimize: bool) -> None:
    """`s.reduce(f, initial=a)` gives what `functools.reduce` gives on the list of `s`."""
    layers: tuple[Args, ...] = ((("k", Const("k")),),) if fn.name == "lagfold" else ()
    fold = Fn(fn.name, fn.style, layers)
    whole = Graph((*graph.nodes, Fold(graph.root, fold, Const(initial))), len(graph.nodes))
    items = daglite.compile(build(graph, STORES)).run(runtime="inline", store=Seen().stores["run"])
    plain = functools.partial(FUNCTIONS[fn.name], "k") if layers else FUNCTIONS[fn.name]
    plan = daglite.compile(build(whole, STORES), optimize=optimize)
    assert end(plan)[:2] == ended(lambda: functools.reduce(plain, items, initial))


@SOME
@given(graphs(stream=True), VALUES, st.booleans())
def test_law_5_unordered_reduce_is_ordered_reduce(graph: Graph, initial: object, optimize: bool) -> None:
    """For a commutative and associative fold `ordered=False` changes nothing. (With workers: law 8.)"""
    ends = []
    for ordered in (True, False):
        fold = Fold(graph.root, Fn("tally"), Const(initial), ordered)
        whole = Graph((*graph.nodes, fold), len(graph.nodes))
        ends.append(end(daglite.compile(build(whole, STORES), optimize=optimize)))
    assert ends[0] == ends[1]


@SOME
@given(graphs(stream=True, failures=False), FNS, st.booleans())
def test_law_6_join_is_a_call_with_the_list(graph: Graph, fn: Fn, optimize: bool) -> None:
    """`s.join(f)` gives `f(list of s)`."""
    whole = Graph((*graph.nodes, Join(graph.root, fn, ())), len(graph.nodes))
    items = daglite.compile(build(graph, STORES)).run(runtime="inline", store=Seen().stores["run"])
    plan = daglite.compile(build(whole, STORES), optimize=optimize)
    assert end(plan)[:2] == ended(lambda: called(fn)(items))


@SOME
@given(st.data(), item_lists(), VALUES, VALUES)
def test_law_7_partial_is_the_call_with_everything(
    data: st.DataObject, items: tuple[object, ...], a: object, b: object
) -> None:
    """`t.partial(a=1).iter(b=2)` and `t.iter(a=1, b=2)` compile to the same plan; so do calls and `.then`."""
    source: Args = (("items", Const(items)), ("a", Const(a)))
    extras: Args = (("a", Const(a)), ("b", Const(b)))

    def graph(split: Callable[[Args], tuple[tuple[Args, ...], Args]]) -> Graph:
        (layers, args), (more_layers, more) = split(source), split(extras)
        nodes = (
            Iterate(Fn("emit", "module", layers), args),
            Each(0, Fn("mark", "module", more_layers), more),
            Invoke(Fn("emit", "module", layers), args),
            Join(1, Fn("swap", "closure", ((("a", Const(0)),),)), ()),
        )
        return Graph(nodes, root)

    def at_random(args: Args) -> tuple[tuple[Args, ...], Args]:
        places = data.draw(st.lists(st.integers(0, 2), min_size=len(args), max_size=len(args)))
        parts = [tuple(arg for arg, at in zip(args, places, strict=True) if at == place) for place in range(3)]
        return tuple(part for part in parts[:2] if part), parts[2]

    root = data.draw(st.integers(0, 3))
    for optimize in (True, False):
        both = graph(at_random), graph(lambda args: ((), args))
        split, whole = (daglite.compile(build(each, STORES), optimize=optimize) for each in both)
        assert split == whole
        assert split.fingerprint == whole.fingerprint is not None
        assert end(split) == end(whole)


@SOME
@given(graphs(stream=True, failures=False), FILTERS, FILTERS, st.booleans())
def test_law_16_a_filter_keeps_what_its_task_likes(graph: Graph, first: Fn, second: Fn, optimize: bool) -> None:
    """`s.filter(p).filter(q)` gives `[x for x in s if p(x) and q(x)]`."""
    nodes = (*graph.nodes, Sift(graph.root, first, ()), Sift(len(graph.nodes), second, ()))
    items = daglite.compile(build(graph, STORES)).run(runtime="inline", store=Seen().stores["run"])
    p, q = called(first), called(second)
    found = end(daglite.compile(build(Graph(nodes, len(nodes) - 1), STORES), optimize=optimize))
    if optimize or len(found) == 1:
        assert found[:2] == ended(lambda: [x for x in items if p(x) and q(x)])
    else:
        # Not optimised, p is through with all items before q begins: another item may be the first to fail.
        assert found[:1] == ended(lambda: [x for x in items if p(x) and q(x)])[:1]


@SOME
@given(graphs(stream=True, failures=False), st.integers(0, 4), OF_ONE.map(Fn), st.booleans())
def test_law_17_a_take_is_the_head_of_the_list(graph: Graph, n: int, fn: Fn, optimize: bool) -> None:
    """`s.then(f).take(n)` gives `[f(x) for x in s][:n]`, and `f` is not asked about later items."""
    nodes = (*graph.nodes, Each(graph.root, fn, ()), Take(len(graph.nodes), n))
    items = daglite.compile(build(graph, STORES)).run(runtime="inline", store=Seen().stores["run"])
    f = called(fn)
    found = end(daglite.compile(build(Graph(nodes, len(nodes) - 1), STORES), optimize=optimize))
    assert found[:2] == ended(lambda: [f(x) for x in items[:n]])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@SOME
@given(graph=graphs())
def test_law_12_each_rule_alone_changes_nothing(rule: Rule, graph: Graph) -> None:
    """Each rule by itself keeps values, errors and saves, and leaves a well-formed graph."""
    agree(graph, trial(graph, rules=[rule]))


@SOME
@given(graphs(), st.lists(st.sampled_from(RULES), unique=True).flatmap(st.permutations))
def test_law_12_rules_in_any_order_change_nothing(graph: Graph, rules: list[Rule]) -> None:
    """Any of the rules, in any order, keep values, errors and saves: none leans on another to be right."""
    agree(graph, trial(graph, rules=rules))


@MANY
@given(graphs(failures=False))
def test_law_14_what_is_shared_runs_once(graph: Graph) -> None:
    """A stream or value with several readers is made once: each task starts as often as there are items for it."""
    counts: Counter[int] = Counter()

    def ready(position: int) -> Callable[[], None]:
        return lambda: counts.update([position])

    for optimize in (True, False):
        counts.clear()
        agree(graph, trial(graph, ready=ready, compiling={"optimize": optimize}))
        outcome = evaluate(graph)
        assert outcome.over or counts == Counter(outcome.calls)


@pytest.mark.parametrize("optimize", [True, False])
def test_rules_are_what_compile_applies(optimize: bool) -> None:
    """`compiled_with(RULES)` above stands for `compile`: same plan, same trace."""
    graph = Graph(
        (
            Iterate(Fn("count", "closure", ((("start", Const(1)),),)), (("n", Const(3)),)),
            Each(0, Fn("mark"), ()),
            Fold(1, Fn("fold"), Const(0)),
        ),
        2,
    )
    pipeline = build(graph, STORES)
    mine, plan = compiled_with(pipeline, RULES if optimize else []), daglite.compile(pipeline, optimize=optimize)
    assert mine.program.trace == plan.program.trace
    assert (mine == plan) is optimize
