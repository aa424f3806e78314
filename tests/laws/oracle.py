"""The oracle: what a described pipeline gives, evaluated naively, without daglite and without laziness."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.laws.describe import (
    Apply, Args, Each, Fold, Graph, Invoke, Iterate, Join, Keep, Over, Then, Use, arguments, defaults, item_names,
    kept, needed, streams, template, through,
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
    """A node's value, or its items by index; with errors there is no value, and some items are missing."""

    value: object = None
    items: dict[int, object] = field(default_factory=dict)
    errors: list[Error] = field(default_factory=list)


@dataclass
class Outcome:
    """`saves`: for each save node the keys and values in order. `errors`: all that may end the run, if any."""

    value: object
    saves: dict[int, dict[str, object]]
    errors: list[Error]


class Broken(Exception):
    """Something needed has no value."""


def evaluate(graph: Graph) -> Outcome:
    results: dict[int, Result] = {}
    for position in needed(graph):
        node = graph.nodes[position]
        if isinstance(node, Keep):
            results[position] = results[node.source]
            continue
        result = results[position] = Result()
        try:
            _compute(graph, position, node, results, result)
        except Broken:
            pass
        except Exception as error:
            result.errors.append(Error(type(error).__name__, str(error), position, None))
    saves = {p: _saves(graph, p, results) for p in needed(graph) if isinstance(graph.nodes[p], Keep)}
    errors = [error for position in needed(graph) for error in results[position].errors]
    errors = list(dict.fromkeys(errors))
    return Outcome(None if errors else _value(graph, graph.root, results), saves, errors)


def _compute(graph: Graph, position: int, node: Apply, results: dict[int, Result], result: Result) -> None:
    fn = FUNCTIONS[node.fn.name]
    names = item_names(node)
    fixed = _fixed(graph, arguments(node), results)
    match node:
        case Iterate():
            for index, item in enumerate(fn(**fixed)):  # type: ignore[arg-type, var-annotated]
                result.items[index] = item
        case Invoke():
            result.value = _called(fn, fixed)
        case Then() | Join():
            result.value = _called(fn, fixed | {names[0]: _value(graph, node.source, results)})
        case Each():
            for index, item in results[node.source].items.items():
                _one(fn, fixed | {names[0]: item}, position, index, result)
        case Over():
            lists = [list(value) for value in _fixed(graph, node.sources, results).values()]  # type: ignore[call-overload]
            rows = itertools.product(*lists) if node.mode == "product" else zip(*lists, strict=True)
            for index, row in enumerate(rows):
                _one(fn, fixed | dict(zip(names, row, strict=True)), position, index, result)
        case Fold():
            accumulator = _fixed(graph, (("initial", node.initial),), results)["initial"]
            broken = bool(results[node.source].errors)
            for index, item in sorted(results[node.source].items.items()):
                try:
                    accumulator = _called(fn, fixed | dict(zip(names, (accumulator, item), strict=True)))
                except Exception as error:
                    result.errors.append(Error(type(error).__name__, str(error), position, index))
                    return
            if broken:
                raise Broken
            result.value = accumulator


def _one(fn: Callable[..., object], given: dict[str, object], position: int, index: int, result: Result) -> None:
    try:
        result.items[index] = _called(fn, given)
    except Exception as error:
        result.errors.append(Error(type(error).__name__, str(error), position, index))


def _called(fn: Callable[..., object], given: dict[str, object]) -> object:
    value = fn(**given)
    return list(value) if inspect.isgeneratorfunction(fn) else value  # type: ignore[call-overload]


def _fixed(graph: Graph, args: Args, results: dict[int, Result]) -> dict[str, object]:
    return {name: _value(graph, arg.node, results) if isinstance(arg, Use) else arg.value for name, arg in args}


def _value(graph: Graph, position: int, results: dict[int, Result]) -> object:
    result = results[position]
    if position not in results or result.errors or _hollow(graph, position, results):
        raise Broken
    return list(result.items.values()) if streams(graph, position) else result.value
