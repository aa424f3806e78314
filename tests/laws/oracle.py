"""The oracle: what a described pipeline gives, evaluated naively, without daglite and without laziness."""

from __future__ import annotations

import inspect
import itertools
from dataclasses import dataclass, field
from typing import Any

from tests.laws.describe import (
    Apply,
    Args,
    Each,
    Fold,
    Graph,
    Invoke,
    Iterate,
    Join,
    Keep,
    Over,
    Sift,
    Take,
    Then,
    Use,
    arguments,
    defaults,
    drops,
    item_names,
    kept,
    key_names,
    needed,
    reads,
    streams,
    template,
    through,
)  # fmt: skip
from tests.laws.functions import FUNCTIONS, mended

__all__ = ["Error", "Outcome", "evaluate"]


@dataclass(frozen=True)
class Error:
    """An error with the node and the item it comes from."""

    kind: str
    message: str
    node: int
    index: int | None


@dataclass
class Result:
    """A value, or the items of a stream by index; not `whole` when something failed here or before.

    `calls` counts how often the node's function is started. `cut` is the index of the item with which a filter was
    over.
    """

    value: object = None
    items: dict[int, object] = field(default_factory=dict)
    errors: list[Error] = field(default_factory=list)
    whole: bool = True
    calls: int = 0
    cut: int | None = None


@dataclass
class Outcome:
    """`saves`: for each save, what it keeps, in order. `errors`: each one that may end the run; empty when none.

    Behind the item with which a filter is `over`, items of its source may have been asked for or not: `spare` errors
    and keys may be seen or not.

    `calls`: how often each node's function is started when nothing fails.
    """

    value: object
    saves: dict[int, list[tuple[str, object]]]
    errors: list[Error]
    calls: dict[int, int]
    spare: list[Error] = field(default_factory=list)
    spare_keys: set[str] = field(default_factory=set)
    over: bool = False


@dataclass(frozen=True)
class Lost:
    """An item at which an attempt failed; it reads as daglite's own record does."""

    task: str
    index: int
    error: Exception

    def __repr__(self) -> str:
        return f"Failed(task '{self.task}', item {self.index}, {type(self.error).__name__}: {self.error})"


class Missing(Exception):
    """Something needed has no value."""


def evaluate(graph: Graph) -> Outcome:
    """Every node in turn; one that fails leaves a gap, and everything else is evaluated all the same."""
    done: dict[int, Result] = {}
    readers = _readers(graph)
    for position in needed(graph):
        node = graph.nodes[position]
        if isinstance(node, Take):
            source = done[through(graph, node.source)]
            done[position] = Result(items=dict(itertools.islice(source.items.items(), node.n)), whole=source.whole)
        elif not isinstance(node, Keep):
            done[position] = _Evaluation(graph, done, position, node, readers).result()
    saves = {p: _saves(graph, p, done) for p in needed(graph) if isinstance(graph.nodes[p], Keep)}
    spare, spare_keys = _spare(graph, done, readers)
    errors = [error for result in done.values() for error in result.errors if error not in spare]
    calls = {position: result.calls for position, result in done.items()}
    return Outcome(
        None if errors else _value(graph, graph.root, done),
        saves,
        errors,
        calls,
        spare,
        spare_keys,
        any(result.cut is not None for result in done.values()),
    )


def _readers(graph: Graph) -> dict[int, list[int]]:
    """Who reads each node, as often as it does; a save reads nothing of its own."""
    found: dict[int, list[int]] = {position: [] for position in needed(graph)}
    for position in found:
        node = graph.nodes[position]
        for read in reads(node) if not isinstance(node, Keep) else []:
            found[through(graph, read)].append(position)
    return found


def _source_of(graph: Graph, position: int) -> int | None:
    """The stream whose items become those of a node."""
    match graph.nodes[position]:
        case Each(source=read) | Sift(source=read) | Take(source=read):
            return through(graph, read)
        case Over(sources=((_, Use(node=read)),)) if streams(graph, read):
            return through(graph, read)
        case _:
            return None


def _asked(graph: Graph, readers: dict[int, list[int]], position: int) -> int | None:
    """How many items of a stream its only reader asks for; None: all."""
    if len(readers[position]) != 1 or _source_of(graph, reader := readers[position][0]) != position:
        return None
    more, node = _asked(graph, readers, reader), graph.nodes[reader]
    if isinstance(node, Take):
        return node.n if more is None else min(node.n, more)
    return more if not drops(node) or more == 0 else None


def _chain(graph: Graph, readers: dict[int, list[int]], position: int) -> list[int]:
    """The streams above a node that are read for it alone."""
    found: list[int] = []
    source = _source_of(graph, position)
    while source is not None and len(readers[source]) == 1:
        found.append(source)
        source = _source_of(graph, source)
    return found


def _spare(graph: Graph, done: dict[int, Result], readers: dict[int, list[int]]) -> tuple[list[Error], set[str]]:
    errors: list[Error] = []
    keys: set[str] = set()
    for position, result in done.items():
        for above in _chain(graph, readers, position) if result.cut is not None else []:
            assert result.cut is not None
            errors += [e for e in done[above].errors if e.index is None or e.index > result.cut]
            for save in needed(graph):
                if isinstance(graph.nodes[save], Keep) and through(graph, save) == above:
                    found = zip(_saves(graph, save, done), done[above].items, strict=False)
                    keys |= {key for (key, _), index in found if index > result.cut}
    return errors, keys


@dataclass
class _Evaluation:
    graph: Graph
    done: dict[int, Result]
    position: int
    node: Apply
    readers: dict[int, list[int]]

    def result(self) -> Result:
        self.found = Result()
        try:
            self.compute(_values(self.graph, arguments(self.node), self.done), item_names(self.node))
        except Missing:
            self.found.whole = False
        except Exception as error:
            self.fail(error, None)
        return self.found

    def fail(self, error: Exception, index: int | None) -> None:
        self.found.errors.append(Error(type(error).__name__, str(error), self.position, index))
        self.found.whole = False

    def compute(self, bound: dict[str, object], names: list[str]) -> None:
        match self.node:
            case Iterate():
                # A generator of which nothing is asked does not start.
                items = itertools.islice(self.started(bound), self.asked()) if self.asked() != 0 else []
                for index, item in enumerate(items):
                    self.found.items[index] = item
            case Invoke() | Then():
                self.found.value = self.once(bound)
            case Join():
                self.found.value = self.once(bound | {names[0]: _value(self.graph, self.node.source, self.done)})
            case Each(source=read) | Over(sources=((_, Use(node=read)),)) if streams(self.graph, read):
                self.each(bound, names, {i: (x,) for i, x in self.source(read).items()})
            case Sift():
                self.sift(bound, names, self.source(self.node.source))
            case Over():
                lists: list[Any] = list(_values(self.graph, self.node.sources, self.done).values())
                product = self.node.mode == "product"
                rows = itertools.product(*lists) if product else zip(*lists, strict=True)
                self.each(bound, names, dict(enumerate(rows)))
            case Fold():
                value = _values(self.graph, (("initial", self.node.initial),), self.done)["initial"]
                for index, item in self.source(self.node.source).items():
                    try:
                        value = self.call(bound | dict(zip(names, (value, item), strict=True)))
                    except Exception as error:
                        return self.fail(error, index)
                self.found.value = value

    def asked(self) -> int | None:
        return _asked(self.graph, self.readers, self.position)

    def once(self, given: dict[str, object]) -> object:
        """One call, or what mends it."""
        try:
            return self.call(given)
        except Exception as error:
            self.found.calls += self.node.fn.stumbles and self.node.fn.style != "closure"
            if self.node.fn.fate == "mend":
                return mended(None, error)
            raise

    def on_item(self, given: dict[str, object], index: int) -> list[object]:
        """The value of a call on an item, or what comes in its place: perhaps nothing."""
        try:
            return [self.call(given)]
        except Exception as error:
            # Where retries are a number, this is tried again in vain.
            self.found.calls += self.node.fn.stumbles and self.node.fn.style != "closure"
            match self.node.fn.fate:
                case "mend":
                    return [mended(index, error)]
                case "keep":
                    return [Lost(f"{self.node.fn.name}.{self.position}", index, error)]
                case "raise":
                    self.fail(error, index)
            return []

    def sift(self, bound: dict[str, object], names: list[str], items: dict[int, object]) -> None:
        self.until_enough({i: (x,) for i, x in items.items()}, bound, names[:1])

    def until_enough(self, rows: dict[int, tuple[object, ...]], bound: dict[str, object], names: list[str]) -> None:
        """Items through a step that drops some, until as many have come as are asked for."""
        most, last = self.asked(), None
        for index, row in rows.items() if most != 0 else []:
            got = self.on_item(bound | dict(zip(names, row, strict=True)), index)
            if isinstance(self.node, Sift):
                got = [row[0]] if got and got[0] else []
            if got:
                self.found.items[index], last = got[0], index
            if len(self.found.items) == most:
                break
        if last is not None and len(self.found.items) == most:
            self.found.cut = last
            above = [self.done[each] for each in _chain(self.graph, self.readers, self.position)]
            fatal = [
                e for result in (self.found, *above) for e in result.errors if e.index is not None and e.index <= last
            ]
            self.found.whole = not fatal

    def started(self, given: dict[str, object]) -> Any:
        self.found.calls += 1
        return FUNCTIONS[self.node.fn.name](**given)

    def call(self, given: dict[str, object]) -> object:
        value = self.started(given)
        return list(value) if inspect.isgenerator(value) else value

    def source(self, position: int) -> dict[int, object]:
        source = self.done[through(self.graph, position)]
        self.found.whole = source.whole
        return source.items

    def each(self, bound: dict[str, object], names: list[str], rows: dict[int, tuple[object, ...]]) -> None:
        if drops(self.node):
            self.until_enough(rows, bound, names)
            return
        for index, row in itertools.islice(rows.items(), self.asked()):
            if self.node.fn.fate == "keep" and isinstance(row[0], Lost):
                self.found.items[index] = row[0]
                continue
            for value in self.on_item(bound | dict(zip(names, row, strict=True)), index):
                self.found.items[index] = value


def _values(graph: Graph, args: Args, done: dict[int, Result]) -> dict[str, object]:
    return {name: _value(graph, arg.node, done) if isinstance(arg, Use) else arg.value for name, arg in args}


def _value(graph: Graph, position: int, done: dict[int, Result]) -> object:
    result = done[through(graph, position)]
    if not result.whole:
        raise Missing
    return list(result.items.values()) if streams(graph, position) else result.value


def _saves(graph: Graph, position: int, done: dict[int, Result]) -> list[tuple[str, object]]:
    node, result = kept(graph, position), done[through(graph, position)]
    try:
        values = {**defaults(node.fn), **_values(graph, arguments(node), done)}
    except Missing:
        return []
    known = {name: value for name, value in values.items() if name in key_names(graph, position)}
    text = template(graph, position)
    if streams(graph, position):
        return [(text.format(**known, iteration_index=index), item) for index, item in result.items.items()]
    return [(text.format(**known), result.value)] if result.whole else []
