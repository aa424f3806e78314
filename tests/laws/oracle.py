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
    Then,
    Use,
    arguments,
    defaults,
    item_names,
    kept,
    key_names,
    needed,
    streams,
    template,
    through,
)  # fmt: skip
from tests.laws.functions import FUNCTIONS

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

    `calls` counts how often the node's function is started.
    """

    value: object = None
    items: dict[int, object] = field(default_factory=dict)
    errors: list[Error] = field(default_factory=list)
    whole: bool = True
    calls: int = 0


@dataclass
class Outcome:
    """`saves`: for each save, what it keeps, in order. `errors`: each one that may end the run; empty when none.

    `calls`: how often each node's function is started when nothing fails.
    """

    value: object
    saves: dict[int, list[tuple[str, object]]]
    errors: list[Error]
    calls: dict[int, int]


class Missing(Exception):
    """Something needed has no value."""


def evaluate(graph: Graph) -> Outcome:
    """Every node in turn; one that fails leaves a gap, and everything else is evaluated all the same."""
    done: dict[int, Result] = {}
    for position in needed(graph):
        node = graph.nodes[position]
        if not isinstance(node, Keep):
            done[position] = _Evaluation(graph, done, position, node).result()
    saves = {p: _saves(graph, p, done) for p in needed(graph) if isinstance(graph.nodes[p], Keep)}
    errors = [error for result in done.values() for error in result.errors]
    calls = {position: result.calls for position, result in done.items()}
    return Outcome(None if errors else _value(graph, graph.root, done), saves, errors, calls)


@dataclass
class _Evaluation:
    graph: Graph
    done: dict[int, Result]
    position: int
    node: Apply

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
                for index, item in enumerate(self.started(bound)):
                    self.found.items[index] = item
            case Invoke() | Then():
                self.found.value = self.call(bound)
            case Join():
                self.found.value = self.call(bound | {names[0]: _value(self.graph, self.node.source, self.done)})
            case Each(source=read) | Over(sources=((_, Use(node=read)),)) if streams(self.graph, read):
                self.each(bound, names, {i: (x,) for i, x in self.source(read).items()})
            case Sift():
                for index, item in self.source(self.node.source).items():
                    try:
                        if self.call(bound | {names[0]: item}):
                            self.found.items[index] = item
                    except Exception as error:
                        self.fail(error, index)
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
        for index, row in rows.items():
            try:
                self.found.items[index] = self.call(bound | dict(zip(names, row, strict=True)))
            except Exception as error:
                self.fail(error, index)


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
