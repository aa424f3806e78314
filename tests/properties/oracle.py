"""The oracle: what a described pipeline gives, evaluated naively, without daglite and without laziness."""

from __future__ import annotations

import inspect
import itertools
from dataclasses import dataclass
from typing import Any

from tests.properties.asking import asked, chain, other_of, readers_of, source_of
from tests.properties.describe import (
    Apply,
    Args,
    Each,
    Fn,
    Fold,
    Graph,
    Invoke,
    Iterate,
    Join,
    Keep,
    Operate,
    Over,
    Parts,
    Sift,
    Take,
    Tell,
    Then,
    Use,
    arguments,
    defaults,
    drops,
    item_names,
    kept,
    key_names,
    needed,
    streams,
    template,
    through,
)  # fmt: skip
from tests.properties.functions import FUNCTIONS, checksum, mended
from tests.properties.operate import Ended, outputs
from tests.properties.outcome import Error, Lost, Outcome, Result

__all__ = ["Error", "Outcome", "evaluate"]


class Missing(Exception):
    """Something needed has no value."""


def evaluate(graph: Graph) -> Outcome:
    """Every node in turn; one that fails leaves a gap, and everything else is evaluated all the same."""
    done: dict[int, Result] = {}
    readers = readers_of(graph)
    for position in needed(graph):
        node = graph.nodes[position]
        if isinstance(node, Take):
            source = done[through(graph, node.source)]
            items = dict(itertools.islice(source.items.items(), node.n))
            done[position] = Result(items=items, whole=source.whole, stops=source.stops)
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
        any(result.cut is not None or result.beside is not None for result in done.values()),
    )


def _spare(graph: Graph, done: dict[int, Result], readers: dict[int, list[int]]) -> tuple[list[Error], set[str]]:
    errors: list[Error] = []
    keys: set[str] = set()
    # A stream, the one that reads it alone, and with which item of it that one was over.
    stack: list[tuple[int, int | None]] = []
    for position, result in done.items():
        node = graph.nodes[position]
        stack += _alone(readers, source_of(graph, position), result.cut)
        stack += _alone(readers, other_of(graph, node), result.beside)
    while stack:
        each, cut = stack.pop()
        if cut is None:
            continue
        node, result = graph.nodes[each], done[each]
        # What an operation says of an item that fails is behind all that it gave.
        behind = isinstance(node, Operate)
        errors += [e for e in result.errors if behind or e.index is None or e.index > cut]
        for save in needed(graph):
            if isinstance(graph.nodes[save], Keep) and through(graph, save) == each:
                found = zip(_saves(graph, save, done), result.items, strict=False)
                keys |= {key for (key, _), index in found if index > cut}
        stack += _alone(readers, other_of(graph, node), _beside(graph, done, node, cut))
        batches = source_of(graph, each)
        if isinstance(node, Operate) and node.kind == "unbatch" and batches is not None:
            # Batches that are taken apart at once need not be made.
            below = graph.nodes[batches]
            if isinstance(below, Operate) and below.kind == "batch" and len(readers[batches]) == 1:
                known = list(done[through(graph, below.source)].items)
                stack += _alone(readers, source_of(graph, batches), known[cut] if 0 <= cut < len(known) else -1)
        # Behind an operation items have another index than the one which brought the last one out.
        stack += _alone(readers, source_of(graph, each), result.brought.get(cut, -1) if behind else cut)
    return errors, keys


def _alone(readers: dict[int, list[int]], position: int | None, cut: int | None) -> list[tuple[int, int | None]]:
    """The stream, if it is one, that has no other reader, with where it is cut."""
    return [] if position is None or len(readers[position]) != 1 else [(position, cut)]


def _beside(graph: Graph, done: dict[int, Result], node: object, last: int) -> int | None:
    """The index of the item of the other stream that is in the last pair wanted."""
    other = other_of(graph, node)
    if other is None:
        return None
    indices = list(done[other].items)
    return indices[last] if 0 <= last < len(indices) else -1


@dataclass
class _Evaluation:
    graph: Graph
    done: dict[int, Result]
    position: int
    node: Apply | Operate | Tell
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

    @property
    def fn(self) -> Fn:
        assert not isinstance(self.node, Tell)
        assert self.node.fn is not None
        return self.node.fn

    def fail(self, error: Exception, index: int | None) -> None:
        self.found.errors.append(Error(type(error).__name__, str(error), self.position, index))
        self.found.whole = False
        if index is not None:
            self.found.stops = index if self.found.stops is None else min(index, self.found.stops)

    def compute(self, bound: dict[str, object], names: list[str]) -> None:
        match self.node:
            case Iterate():
                # A generator of which nothing is asked does not start.
                items = itertools.islice(self.started(bound), self.asked()) if self.asked() != 0 else []
                for index, item in enumerate(items):
                    self.found.items[index] = item
                    self.found.stops = index + 1
                self.found.stops = None
            case Invoke() | Then():
                self.found.value = self.once(bound)
            case Join():
                self.found.value = self.once(bound | {names[0]: _value(self.graph, self.node.source, self.done)})
            case Each(source=read) | Over(sources=((_, Use(node=read)),)) if streams(self.graph, read):
                self.each(bound, names, {i: (x,) for i, x in self.source(read).items()})
            case Operate():
                self.operate(self.node, bound, names)
            case Tell(kind=kind):
                items = list(self.source(self.node.source).values())
                if kind in ("count", "for_each"):
                    self.found.value = len(items)
                elif kind == "sum":
                    self.found.value = sum(items)
                else:
                    best = min if kind == "min" else max
                    self.found.value = best(items, key=checksum, default=None)
            case Parts(given=given):
                for index, one in enumerate(given if self.asked() != 0 else ()):
                    for value in self.on_item(bound | dict(one), index):
                        self.found.items[index] = value
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
        return asked(self.graph, self.readers, self.position)

    def once(self, given: dict[str, object]) -> object:
        """One call, or what mends it."""
        try:
            return self.call(given)
        except Exception as error:
            self.found.calls += self.fn.stumbles and self.fn.style != "closure"
            if self.fn.fate == "mend":
                return mended(None, error)
            raise

    def on_item(self, given: dict[str, object], index: int) -> list[object]:
        """The value of a call on an item, or what comes in its place: perhaps nothing."""
        try:
            return [self.call(given)]
        except Exception as error:
            # Where retries are a number, this is tried again in vain.
            self.found.calls += self.fn.stumbles and self.fn.style != "closure"
            match self.fn.fate:
                case "mend":
                    return [mended(index, error)]
                case "keep":
                    return [Lost(f"{self.fn.name}.{self.position}", index, error)]
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
            below = chain(self.graph, self.readers, self.position)
            # An operation gives nothing once something before it has failed.
            alike = itertools.takewhile(lambda each: not isinstance(self.graph.nodes[each], Operate), below)
            above = [self.done[each] for each in alike]
            fatal = [
                e for result in (self.found, *above) for e in result.errors if e.index is not None and e.index <= last
            ]
            self.found.whole = not fatal
            if not fatal:
                self.found.stops = None

    def operate(self, node: Operate, bound: dict[str, object], names: list[str]) -> None:
        """Over what comes before anything fails; numbered from 0."""
        start: Args = () if node.initial is None else (("initial", node.initial),)
        initial = _values(self.graph, start, self.done).get("initial")
        source = self.source(node.source)
        whole, most = self.found.whole, self.asked()
        if most == 0:
            self.found.cut, self.found.whole, self.found.stops = -1, True, None
            return
        indices = [index for index in source if self.found.stops is None or index < self.found.stops]
        other, ends = self.other(node)
        self.found.whole, self.found.stops = True, None
        place = -1

        def ask(at: int, *values: object) -> object:
            nonlocal place
            place = at
            return self.call(bound | dict(zip(names, values, strict=True)))

        try:
            found = outputs(
                node.kind, dict(node.numbers), [source[index] for index in indices], ask, other, ends, initial
            )
            for out, at in found:
                if at is None and not whole:
                    break
                self.found.brought[len(self.found.items)] = None if at is None else indices[at]
                self.found.items[len(self.found.items)] = out
                if len(self.found.items) == most:
                    self.found.cut = None if at is None else indices[at]
                    return
        except Ended as end:
            self.found.cut = indices[end.place] if end.place >= 0 else -1
            return
        except Exception as error:
            self.fail(error, place)
        if not whole or self.found.errors or (not ends and len(other) < len(indices)):
            self.found.whole, self.found.stops = False, len(self.found.items)
        elif node.other is not None:
            # The first stream is over, and the other is not asked any more.
            self.found.beside = _beside(self.graph, self.done, node, len(indices) - 1)

    def other(self, node: Operate) -> tuple[list[object], bool]:
        """The other stream up to where it fails, and whether it does not."""
        if node.other is None:
            return [], True
        result = self.done[through(self.graph, node.other)]
        items = [item for index, item in result.items.items() if result.stops is None or index < result.stops]
        return items, result.whole

    def started(self, given: dict[str, object]) -> Any:
        # What daglite itself reads is no task of ours.
        self.found.calls += self.fn.name != "given"
        return FUNCTIONS[self.fn.name](**given)

    def call(self, given: dict[str, object]) -> object:
        value = self.started(given)
        return list(value) if inspect.isgenerator(value) else value

    def source(self, position: int) -> dict[int, object]:
        source = self.done[through(self.graph, position)]
        self.found.whole, self.found.stops = source.whole, source.stops
        return source.items

    def each(self, bound: dict[str, object], names: list[str], rows: dict[int, tuple[object, ...]]) -> None:
        if drops(self.node):
            self.until_enough(rows, bound, names)
            return
        for index, row in itertools.islice(rows.items(), self.asked()):
            if self.fn.fate == "keep" and isinstance(row[0], Lost):
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
        values = _values(graph, arguments(node), done)
    except Missing:
        return []
    if isinstance(node, Operate):
        values |= dict(node.numbers)
    if not isinstance(node, Tell) and node.fn is not None:
        values = {**defaults(node.fn), **values}
    known = {name: value for name, value in values.items() if name in key_names(graph, position)}
    text = template(graph, position)
    if streams(graph, position):
        return [(text.format(**known, iteration_index=index), item) for index, item in result.items.items()]
    return [(text.format(**known), result.value)] if result.whole else []
