"""From a description to the daglite pipeline it stands for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, Protocol, cast

from daglite import Future, Retry, Task, from_iterable, task
from daglite.options import Store
from tests.properties import functions
from tests.properties.describe import (
    Args,
    Each,
    Fn,
    Fold,
    Graph,
    Invoke,
    Iterate,
    Join,
    Keep,
    Node,
    Operate,
    Over,
    Parts,
    Sift,
    Take,
    Tell,
    Then,
    Use,
    inside,
    item_names,
    needed,
    template,
)  # fmt: skip
from tests.properties.functions import Stumbled, nothing, stumble
from tests.properties.tasks import TASKS

__all__ = ["Ready", "build", "build_all", "task_of"]

AnyTask = Task[..., Any]


class Ready(Protocol):
    """Gives for a node what its task does before each call; `None`: nothing."""

    def __call__(self, position: int) -> Callable[[], None] | None: ...


def build(graph: Graph, stores: Mapping[str, Store | None], ready: Ready = lambda position: None) -> Future[Any]:
    """The future of the root. `stores` gives what `save_store` is for "own" and "run"."""
    return build_all(graph, stores, ready)[graph.root]


def build_all(
    graph: Graph, stores: Mapping[str, Store | None], ready: Ready = lambda position: None
) -> dict[int, Future[Any]]:
    """The future of each node that the root needs; tasks are named for their node."""
    made: dict[int, Any] = {}
    within = inside(graph.nodes)
    for position in needed(graph):
        node = graph.nodes[position]
        if position in within:
            continue
        if isinstance(node, Operate | Tell) and node.flat:
            method = "for_each" if isinstance(node, Tell) else "flat_map"
            made[position] = _flat(graph.nodes[node.source], method, node.source, made, ready(node.source))
        elif isinstance(node, Iterate) and node.fn.name == "given":
            made[position] = from_iterable(_given(node.args, made)["items"])
        elif isinstance(node, Keep):
            made[position] = made[node.source].save(template(graph, position), save_store=stores[node.store])
        elif isinstance(node, Take):
            made[position] = made[node.source].take(node.n)
        elif isinstance(node, Tell):
            options = {"key": functions.checksum, "default": None} if node.kind in ("min", "max") else {}
            made[position] = getattr(made[node.source], node.kind)(**options)
        elif isinstance(node, Operate):
            made[position] = _operated(node, position, made, ready(position))
        else:
            made[position] = _future(node, task_of(node.fn, position, made, ready(position)), made)
    return made


def _flat(node: Node, method: str, position: int, made: Mapping[int, Any], before: Callable[[], None] | None) -> object:
    """A step on each item, or a generator for each partition, with what becomes of its results in the same call."""
    if isinstance(node, Parts):
        return cast("Any", task_of(node.fn, position, made, before)).iter_partitions([dict(one) for one in node.given])
    assert isinstance(node, Each)
    return getattr(made[node.source], method)(task_of(node.fn, position, made, before), **_given(node.args, made))


def _operated(node: Operate, position: int, made: Mapping[int, Any], before: Callable[[], None] | None) -> object:
    method, numbers = getattr(made[node.source], node.kind), dict(node.numbers)
    if node.other is not None:
        return method(made[node.other])
    if node.fn is None:
        first = [numbers.pop("n")] if "n" in numbers else []
        return method(*first, **numbers)
    fn = task_of(node.fn, position, made, before)
    if node.initial is not None:
        return method(fn, **_given((("initial", node.initial),), made))
    if node.kind == "take_while":
        return method(fn, **_given(node.args, made))
    return method(fn.partial(**_given(node.args, made)), **numbers)


def _future(node: Node, fn: Any, made: Mapping[int, Any]) -> object:
    match node:
        case Iterate():
            return fn.iter(**_given(node.args, made))
        case Invoke():
            return fn(**_given(node.args, made))
        case Each(fluent=False):
            return fn.partial(**_given(node.args, made)).map(**{item_names(node)[0]: made[node.source]})
        case Each(fn=Fn(fate="keep")):
            return made[node.source].attempt(fn, **_given(node.args, made))
        case Each() | Then():
            return made[node.source].then(fn, **_given(node.args, made))
        case Sift():
            return made[node.source].filter(fn, **_given(node.args, made))
        case Over():
            return fn.map(map_mode=node.mode, **_given(node.sources, made))
        case Join():
            return made[node.source].join(fn, **_given(node.args, made))
        case Fold():
            initial = _given((("initial", node.initial),), made)["initial"]
            options = {"combine": combine_of(node.fn)} if node.combines else {}
            return made[node.source].reduce(fn, initial=initial, ordered=node.ordered, **options)
        case Keep() | Take() | Operate() | Parts() | Tell():
            raise AssertionError("a save or a take has no task, and others are built elsewhere")


def _given(args: Args, made: Mapping[int, Any]) -> dict[str, Any]:
    return {name: made[arg.node] if isinstance(arg, Use) else arg.value for name, arg in args}


def combine_of(fn: Fn) -> object:
    """What puts two parts of a fold together: a task or a plain function, as the fold has it."""
    plain = functions.COMBINES[fn.name]
    if fn.style == "module":
        return plain
    if fn.style == "closure":
        return task(lambda one, other: plain(one, other))

    async def awaited(one: object, other: object) -> object:
        return plain(one, other)

    return task(awaited)


def task_of(fn: Fn, position: int, made: Mapping[int, Any], ready: Callable[[], None] | None = None) -> AnyTask:
    """The task of a node with its partials."""
    name, retries = f"{fn.name}.{position}", 1 if fn.stumbles else 0
    again = Retry(attempts=2, first_delay=0.0, on=(Stumbled,)) if fn.stumbles and fn.style == "closure" else retries
    found: AnyTask
    if ready is None and fn.style == "module" and not fn.stumbles:
        found = TASKS[fn.name].with_options(name=name)
    else:
        before = ready or (stumble if fn.stumbles else nothing)
        kinds = asynchronous(before) if fn.style == "async" else closures(before)
        found = task(name=name, retries=again)(kinds[fn.name])
    if fn.on is not None:
        found = found.with_options(on=fn.on)
    if fn.fate == "mend":
        found = found.with_options(on_error=lambda failed: functions.mended(failed.index, failed.error))
    elif fn.fate == "skip":
        found = found.with_options(on_error="skip")
    for layer in fn.layers:
        found = cast("AnyTask", found.partial(**_given(layer, made)))
    return found


def closures(before: Callable[[], None]) -> dict[str, Callable[..., Any]]:
    """Local functions and lambdas over `before`: these travel to workers by value."""

    def mark(x: object, a: object = 0, b: object = None) -> object:
        before()
        return functions.mark(x, a, b)

    def listing(x: object, n: int = 2) -> list[object]:
        before()
        return functions.listing(x, n)

    def picky(x: object, m: int = 3) -> object:
        before()
        return functions.picky(x, m)

    def likes(x: object, m: int = 2) -> bool:
        before()
        return functions.likes(x, m)

    def fussy(x: object, m: int = 4) -> bool:
        before()
        return functions.fussy(x, m)

    def residue(x: object, m: int = 3) -> int:
        before()
        return functions.residue(x, m)

    def touchy(x: object, m: int = 4) -> int:
        before()
        return functions.touchy(x, m)

    def choosy(acc: object, item: object, m: int = 3) -> object:
        before()
        return functions.choosy(acc, item, m)

    def strand(acc: object, item: object, m: int = 0) -> str:
        before()
        return functions.strand(acc, item, m)

    def emit(items: tuple[object, ...], a: object = None) -> Iterator[object]:
        before()
        yield from functions.emit(items, a)

    def count(n: int, start: int = 0) -> Iterator[object]:
        before()
        yield from functions.count(n, start)

    def spread(x: object, n: int = 2) -> Iterator[object]:
        before()
        yield from functions.spread(x, n)

    def faulty(items: tuple[object, ...], after: int) -> Iterator[object]:
        before()
        yield from functions.faulty(items, after)

    named: list[Callable[..., Any]] = [
        mark, listing, picky, likes, fussy, residue, touchy, choosy, strand, emit, count, spread, faulty,
    ]  # fmt: skip
    lambdas: dict[str, Callable[..., Any]] = {
        "swap": lambda a, x, b=(): (before(), functions.swap(a, x, b))[1],  # type: ignore[func-returns-value]
        "echo": lambda x: (before(), x)[1],  # type: ignore[func-returns-value]
        "void": lambda x, a="": before(),
        "blank": lambda x: (before(), functions.blank(x))[1],  # type: ignore[func-returns-value]
        "odds": lambda x, a=0: (before(), functions.odds(x, a))[1],  # type: ignore[func-returns-value]
        "fold": lambda acc, item, k=0: (before(), functions.fold(acc, item, k))[1],  # type: ignore[func-returns-value]
        "lagfold": lambda k, acc, item: (before(), functions.lagfold(k, acc, item))[1],  # type: ignore[func-returns-value]
        "tally": lambda acc, item: (before(), functions.tally(acc, item))[1],  # type: ignore[func-returns-value]
    }
    return lambdas | {each.__name__: each for each in named}


def asynchronous(before: Callable[[], None]) -> dict[str, Callable[..., Any]]:
    """As `closures`, some of them `async def`."""

    async def mark(x: object, a: object = 0, b: object = None) -> object:
        before()
        return functions.mark(x, a, b)

    async def picky(x: object, m: int = 3) -> object:
        before()
        return functions.picky(x, m)

    async def likes(x: object, m: int = 2) -> bool:
        before()
        return functions.likes(x, m)

    async def residue(x: object, m: int = 3) -> int:
        before()
        return functions.residue(x, m)

    async def fold(acc: object, item: object, k: object = 0) -> object:
        before()
        return functions.fold(acc, item, k)

    async def emit(items: tuple[object, ...], a: object = None) -> AsyncIterator[object]:
        before()
        for item in functions.emit(items, a):
            yield item

    async def faulty(items: tuple[object, ...], after: int) -> AsyncIterator[object]:
        before()
        for item in functions.faulty(items, after):
            yield item

    named: list[Callable[..., Any]] = [mark, picky, likes, residue, fold, emit, faulty]
    return closures(before) | {each.__name__: each for each in named}
