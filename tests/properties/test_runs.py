"""The laws of running: runtimes, workers and batches do not matter, deaths of workers neither."""

from __future__ import annotations

import copy
import functools
import os
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hypothesis import given, settings, strategies as st

import daglite
from daglite import task
from daglite.exceptions import WorkerDiedError
from tests.engines.local.choosing import at
from tests.properties import functions
from tests.properties.build import Ready, build
from tests.properties.describe import Const, Each, Fn, Fold, Graph, Iterate, Keep, needed, shared
from tests.properties.draw import graphs
from tests.properties.oracle import evaluate
from tests.properties.trial import EXAMPLES, Seen, agree, end, trial
from tests.samples import DIVISION_BY_ZERO

# These start processes: some 20 ms each.
MANY = settings(max_examples=EXAMPLES)
FEW = settings(max_examples=max(10, EXAMPLES // 3))
COMPILING = st.fixed_dictionaries(
    {"optimize": st.booleans()},
    optional={"max_in_flight": st.integers(1, 6), "max_batch_size": st.integers(1, 4), "helper_thread": st.booleans()},
)
WORKERS = st.integers(1, 3)
# After so many items, those of each leg of a stream counted.
MOVES = st.sampled_from([1, 2, 3, 7, None]) | st.integers(1, 40)


@MANY
@given(graphs(), COMPILING, WORKERS)
def test_law_8_processes_do_what_the_oracle_says(graph: Graph, compiling: dict[str, object], workers: int) -> None:
    """On any number of workers, with any window and batch size: the same value or error, and the same saves."""
    seen = trial(graph, compiling=compiling, runtime="processes", workers=workers)
    agree(graph, seen, in_order=in_order(graph))


@MANY
@given(graphs(), COMPILING, WORKERS)
def test_law_8_threads_do_what_the_oracle_says(graph: Graph, compiling: dict[str, object], workers: int) -> None:
    """The same on threads, which share the items: no task here changes what it is given."""
    seen = trial(graph, compiling=compiling, runtime="threads", workers=workers)
    agree(graph, seen, in_order=in_order(graph))


@MANY
@given(graphs(), COMPILING, WORKERS, st.sampled_from(["threads", "processes"]), MOVES, st.sampled_from([1, 1000]))
def test_law_8_auto_may_move_after_any_item(
    graph: Graph, compiling: dict[str, object], workers: int, answer: Any, moves: int | None, most: int
) -> None:
    """Early, late or never, to threads or to processes, whatever operations hold by then: nobody can tell."""
    seen = trial(graph, compiling=compiling, runtime=at(moves, answer, workers=workers, most=most))
    agree(graph, seen, in_order=in_order(graph))


@FEW
@given(graphs(), COMPILING)
def test_law_8_auto_decides_by_itself(graph: Graph, compiling: dict[str, object]) -> None:
    """The same when it measures."""
    agree(graph, trial(graph, compiling=compiling, runtime="auto", workers=2), in_order=in_order(graph))


@MANY
@given(graphs(), COMPILING)
def test_law_8_inline_ignores_window_and_batch(graph: Graph, compiling: dict[str, object]) -> None:
    """In this process too, whatever the limits."""
    agree(graph, trial(graph, compiling=compiling))


@FEW
@given(st.integers(1, 400), st.data(), COMPILING, WORKERS)
def test_law_8_the_item_that_fails_is_named(
    n: int, data: st.DataObject, compiling: dict[str, object], workers: int
) -> None:
    """Whatever batch it travels in, the first item that fails is the one the error names."""
    bad = data.draw(st.integers(0, n - 1))
    graph = Graph((Iterate(Fn("count"), (("n", Const(n)),)), Each(0, Fn("echo"), ())), 1)
    pipeline = build(graph, {}).then(task(lambda x: x if x < bad else 1 // 0))  # type: ignore[attr-defined]
    plan = daglite.compile(pipeline, **compiling)  # type: ignore[arg-type]
    expected = (ZeroDivisionError, DIVISION_BY_ZERO, bad)
    assert end(plan, runtime="processes", workers=workers) == expected == end(plan)
    assert end(plan, runtime="threads", workers=workers) == expected
    assert end(plan, runtime=at(data.draw(st.integers(1, 400)), workers=workers)) == expected


@MANY
@given(
    st.integers(0, 60),
    st.sampled_from(["strand", "lists", "tally"]),
    st.booleans(),
    st.booleans(),
    COMPILING,
    WORKERS,
    st.sampled_from(["threads", "processes"]),
)
def test_law_15_a_fold_in_parts_is_the_fold(
    n: int, name: str, then: bool, unordered: bool, compiling: dict[str, object], workers: int, runtime: Any
) -> None:
    """With `combine` workers fold their own batches; the result is that of `functools.reduce`, `initial` in it once.

    Each of the three starts from something, so that a second `initial` shows.
    """
    fold, combine, initial, commutes = IN_PARTS[name]

    @task
    def source() -> Iterator[int]:
        yield from range(n)

    ordered = not (unordered and commutes)
    stream = source.iter()
    pipeline = (stream.then(task(lambda x: x)) if then else stream).reduce(
        task(fold), initial=initial, combine=combine, ordered=ordered
    )
    plan = daglite.compile(pipeline, **compiling)  # type: ignore[arg-type]
    wanted = functools.reduce(fold, range(n), copy.deepcopy(initial))
    assert plan.run(runtime=runtime, workers=workers) == wanted == plan.run(runtime="inline")
    assert plan.run(runtime=at(n // 2 or None, runtime, workers=workers)) == wanted


def grown(acc: list[object], item: object) -> list[object]:
    """A fold that changes its accumulator."""
    acc.append(item)
    return acc


def grown_by(one: list[object], other: list[object]) -> list[object]:
    one.extend(other)
    return one


# The fold, what combines its parts, a start, and whether the order does not matter.
IN_PARTS: dict[str, tuple[Callable[..., Any], Callable[..., Any], Any, bool]] = {
    "strand": (functions.strand, functions.splice, "a", False),
    "lists": (grown, grown_by, ["a"], False),
    "tally": (functions.tally, functions.tally, 100, True),
}


@FEW
@given(graphs(stream=True), COMPILING, st.sampled_from(["inline", "threads", "processes", "auto"]), st.booleans())
def test_law_8_a_streamed_plan_hands_out_what_run_returns(
    graph: Graph, compiling: dict[str, object], runtime: str, ordered: bool
) -> None:
    """`plan.stream()` hands out the items of `plan.run()`, and saves them alike; unordered, in some order."""
    seen = Seen()
    plan = daglite.compile(build(graph, {"own": seen.stores["own"], "run": None}), **compiling)  # type: ignore[arg-type]
    try:
        with plan.stream(ordered=ordered, store=seen.stores["run"], runtime=runtime, workers=2) as items:  # type: ignore[arg-type]
            seen.value = list(items)
    except Exception as error:
        seen.error = error
    if not ordered and evaluate(graph).over:
        # Of what arrives unordered any is taken.
        return
    if not ordered and isinstance(seen.value, list) and not evaluate(graph).errors:
        expected = evaluate(graph).value
        assert isinstance(expected, list)
        assert Counter(map(repr, seen.value)) == Counter(map(repr, expected))
        seen.value = expected
    agree(graph, seen, in_order=ordered and in_order(graph))


def in_order(graph: Graph) -> bool:
    """Whether no fold leaves the order to the workers."""
    nodes = [graph.nodes[position] for position in needed(graph)]
    return all(node.ordered for node in nodes if isinstance(node, Fold))


@FEW
@given(graphs(failures=False), st.data(), COMPILING)
def test_law_13_dying_workers_change_nothing(graph: Graph, data: st.DataObject, compiling: dict[str, object]) -> None:
    """Workers that are killed while they run a task are replaced: same value, same saves, each once.

    Up to two tasks kill the worker that first runs them; `worker_retries` is 2 unless told otherwise.
    """
    tasks = [position for position in needed(graph) if not isinstance(graph.nodes[position], Keep)]
    victims = data.draw(st.sets(st.sampled_from(tasks), min_size=1, max_size=2))
    with tempfile.TemporaryDirectory() as folder:
        seen = trial(graph, ready=killing(victims, folder), compiling=compiling, runtime="processes", workers=2)
    agree(graph, seen, in_order=in_order(graph))


@FEW
@given(graphs(failures=False), st.data())
def test_law_13_without_retries_a_death_is_told(graph: Graph, data: st.DataObject) -> None:
    """The same with `worker_retries=0`: either nobody died, or the run says so. This shows that law 13 kills."""
    tasks = [position for position in needed(graph) if not isinstance(graph.nodes[position], Keep)]
    victims = {data.draw(st.sampled_from(tasks))}
    with tempfile.TemporaryDirectory() as folder:
        ready = killing(victims, folder)
        seen = trial(graph, ready=ready, runtime="processes", workers=2, worker_retries=0)
        killed = [name for name in os.listdir(folder)]
    assert isinstance(seen.error, WorkerDiedError) is bool(killed)


def killing(victims: set[int], folder: str) -> Ready:
    """Each of these tasks kills the first worker that runs it; a marker in the folder says that it has."""
    coordinator = os.getpid()

    def ready(position: int) -> Callable[[], None] | None:
        marker = str(Path(folder, str(position)))

        def die_once() -> None:
            if os.getpid() == coordinator:
                return
            try:
                os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return
            os.kill(os.getpid(), signal.SIGKILL)

        return die_once if position in victims else None

    return ready


@FEW
@given(
    graphs(failures=False).filter(lambda graph: bool(shared(graph))),
    COMPILING,
    st.sampled_from(["threads", "processes", "auto"]),
)
def test_law_14_what_is_shared_runs_once_on_workers_too(
    graph: Graph, compiling: dict[str, object], runtime: str
) -> None:
    """With workers too each task starts once for each item: what is shared is not made again for each reader."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "starts")
        path.touch()

        def ready(position: int) -> Callable[[], None]:
            def note() -> None:
                number = os.open(path, os.O_WRONLY | os.O_APPEND)
                os.write(number, f"{position}\n".encode())
                os.close(number)

            return note

        seen = trial(graph, ready=ready, compiling=compiling, runtime=runtime, workers=2)
        starts = Counter(map(int, path.read_text().split()))
    agree(graph, seen, in_order=in_order(graph))
    outcome = evaluate(graph)
    assert outcome.over or starts == Counter(outcome.calls)
