"""Hypothesis strategies that draw descriptions: chains, and graphs whose nodes are read from several places."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tests.properties.describe import (
    NUMBERS,
    Arg,
    Args,
    Const,
    Each,
    Fate,
    Fn,
    Fold,
    Graph,
    Invoke,
    Iterate,
    Join,
    Keep,
    Kind,
    Node,
    On,
    Operate,
    Over,
    Parts,
    Sift,
    Style,
    Take,
    Tell,
    Then,
    Use,
    defaults,
    inside,
    kept,
    key_names,
    parameters,
    reads,
    streams,
)  # fmt: skip
from tests.properties.functions import STARTS
from tests.properties.lengths import holds, length_of
from tests.properties.values import VALUES, item_lists

__all__ = ["graphs"]

# Parameters that do not take any value.
_SPECIAL: dict[tuple[str, str], SearchStrategy[object]] = {
    ("emit", "items"): item_lists(),
    ("faulty", "items"): item_lists(),
    ("given", "items"): item_lists(),
    ("faulty", "after"): st.integers(0, 4),
    ("count", "n"): st.sampled_from(range(7)),
    ("count", "start"): st.integers(-2, 2),
    ("spread", "n"): st.integers(0, 3),
    ("listing", "n"): st.integers(0, 3),
    ("picky", "m"): st.integers(1, 6),
    ("choosy", "m"): st.integers(1, 6),
    ("likes", "m"): st.integers(1, 6),
    ("residue", "m"): st.integers(1, 4),
    ("touchy", "m"): st.integers(2, 9),
    ("fussy", "m"): st.integers(2, 9),
    ("strand", "m"): st.integers(2, 6),
}
_OF_ONE = ("mark", "mark", "swap", "swap", "echo", "void", "blank", "listing", "spread")
_SOURCES = ("emit", "emit", "count", "spread")
_MODES: SearchStrategy[Literal["zip", "product"]] = st.sampled_from(["zip", "product"])
_STORES: SearchStrategy[Literal["own", "run"]] = st.sampled_from(["own", "own", "run"])
_STYLES: SearchStrategy[Style] = st.sampled_from(["closure", "module", "closure", "module", "async"])
# Processes are started for each run, so they are rare.
_PLACES: SearchStrategy[On] = st.sampled_from(
    ["threads", "threads", "threads", "coordinator", "coordinator", "coordinator", "processes"]
)
_MOST_MAPPED = 12
_LAYERS = 2

C = TypeVar("C", bound=str | int)

# Making a strategy costs more than drawing from it.
_sampled_from = functools.cache(st.sampled_from)


@st.composite
def graphs(draw: DrawFn, *, stream: bool = False, failures: bool = True) -> Graph:
    """A graph of up to a dozen nodes; `stream`: its root is a stream."""
    artist = _Artist(draw, failures)
    artist.straight = artist.chance(2)
    for _ in range(artist.pick(range(2, 10))):
        position = artist.add(artist.node())
        if artist.chance(4):
            artist.add(artist.keep(position))
    if stream:
        found = artist.flows()
        root = found[-1] if found else artist.add(artist.iterate())
        return Graph(artist.graph.nodes, root)
    ends = artist.ends()[-2:]
    again = artist.chance(3) and not artist.straight
    if len(ends) > 1 or again:
        # Several ends meet in one call, perhaps with a node that has readers already.
        read = [*ends, artist.one_of(artist.open())] if again else ends
        artist.add(Invoke(artist.fn("mark"), tuple((n, Use(p)) for n, p in zip(("x", "a", "b"), read, strict=False))))
    return artist.graph


@dataclass
class _Artist:
    """A graph in the making.

    `straight`: new nodes go on from the latest one, mostly. `lengths`: how many items a node has, where that is known.
    """

    draw: DrawFn
    failures: bool
    straight: bool = False
    nodes: list[Node] = field(default_factory=list)
    lengths: list[int | None] = field(default_factory=list)

    @property
    def graph(self) -> Graph:
        return Graph(tuple(self.nodes), len(self.nodes) - 1)

    def add(self, node: Node) -> int:
        self.nodes.append(node)
        self.lengths.append(length_of(node, self.lengths))
        return len(self.nodes) - 1

    def ends(self) -> list[int]:
        """The nodes that nothing reads yet."""
        graph = self.graph
        read = {position for node in graph.nodes for position in reads(node)}
        return [position for position in range(len(self.nodes)) if position not in read]

    def open(self) -> list[int]:
        """The nodes that may be read."""
        within = inside(tuple(self.nodes))
        return [position for position in range(len(self.nodes)) if position not in within]

    def flows(self) -> list[int]:
        """The streams among them."""
        return [position for position in self.open() if streams(self.graph, position)]

    def pick(self, options: Sequence[C]) -> C:
        """One of these names or positions."""
        found: C = self.draw(_sampled_from(tuple(options)))
        return found

    def chance(self, one_in: int) -> bool:
        return self.pick(range(one_in)) == one_in - 1

    def node(self) -> Node:
        graph = self.graph
        flows = self.flows()
        values = [p for p in self.open() if not streams(graph, p)]
        flowing = bool(flows) and flows[-1] == len(self.nodes) - 1
        fresh = ["over", "over", "invoke", "invoke", "iterate", *(["each", "join", "fold"] if flows else [])]
        choices = fresh if self.nodes else ["iterate", "iterate", "iterate", "over", "over", "invoke"]
        if flowing:
            steps = [*["each"] * 4, "attempt", "sift", "sift", "take", "take", "head", *["operate"] * 7]
            choices = [*steps, "keep", "join", "fold", "fold", "tell", "tell", *self.fresh(fresh)]
        elif values:
            choices = ["then", "then", "then", "then", "then", "keep", *self.fresh(fresh)]
        match self.pick(choices):
            case "iterate":
                return self.partitioned() if self.chance(5) else self.iterate()
            case "invoke":
                fn, args = self.call(self.pick((*_OF_ONE, *_SOURCES, *self.failing("picky", "faulty"))))
                return Invoke(self.placed(fn), args)
            case "each":
                fn, args = self.applied()
                fn = self.placed(self.fated(fn, "skip", "mend", "keep"))
                return Each(self.one_of(flows), fn, args, self.chance(2) or fn.fate == "keep")
            case "attempt":
                fn, args = self.applied("picky", "picky", "mark")
                return Each(self.one_of(flows), replace(self.placed(fn), fate="keep"), args)
            case "sift":
                fn, args = self.applied("likes", "likes", "odds", *self.failing("fussy"))
                return Sift(self.one_of(flows), self.placed(self.fated(fn, "skip", "mend")), args)
            case "head":
                fn, args = self.applied("likes", "odds")
                return Take(self.add(Sift(self.one_of(flows), fn, args)), self.pick((1, 1, 2)))
            case "operate":
                return self.operate(self.one_of(flows))
            case "tell":
                return self.tell(self.one_of(flows))
            case "take":
                return Take(self.one_of(flows), self.pick((0, 1, 1, 2, 2, 3, 4)))
            case "then":
                fn, args = self.applied()
                return Then(self.one_of(values), self.placed(self.fated(fn, "mend")), args)
            case "join":
                fn, args = self.applied()
                return Join(self.one_of(flows), self.fated(fn, "mend"), args)
            case "fold":
                return self.fold(self.one_of(flows))
            case "keep":
                return self.keep(self.one_of(flows + values))
            case _:
                return self.over()

    def fresh(self, names: list[str]) -> list[str]:
        return [] if self.straight else names

    def one_of(self, positions: list[int]) -> int:
        """Often the latest, or one from anywhere."""
        return self.pick(positions) if self.chance(12 if self.straight else 3) else positions[-1]

    def failing(self, *names: str) -> tuple[str, ...]:
        return names * 3 if self.failures and self.chance(2) else ()

    def iterate(self) -> Iterate:
        if self.chance(8):
            return Iterate(Fn("given"), (("items", self.value("given", "items")),))
        fn, args = self.call(self.pick((*_SOURCES, *self.failing("faulty"))))
        return Iterate(fn, args)

    def fold(self, source: int) -> Fold:
        if self.chance(2):
            return self.parted(source)
        name = self.pick(("fold", "fold", "lagfold", "tally", "tally", "tally", *self.failing("choosy")))
        # What is taken of an unordered stream is any of it: nothing that could be compared.
        ordered = name != "tally" or self.chance(3) or any(isinstance(node, Take) for node in self.nodes)
        return Fold(source, self.folding(name), self.argument(), ordered)

    def folding(self, name: str) -> Fn:
        """A task that folds, with a partial here and there."""
        options = {"fold": ["", "", "k", "acc"], "lagfold": ["k", "acc", "item"], "choosy": ["m"], "tally": [""]}
        bound = self.pick(options[name])
        return self.fn(name, (((bound, self.value(name, bound)),),) if bound else ())

    def tell(self, source: int) -> Tell:
        kind: Literal["count", "min", "max", "sum", "for_each"] = self.pick(("count", "min", "max", "sum", "for_each"))
        if kind == "for_each":
            fn, args = self.applied()
            source = self.add(Each(source, self.placed(self.fated(fn, "skip", "mend")), args))
        elif kind == "sum":
            # Of whole numbers, whatever the items are.
            fn, args = self.applied("residue")
            source = self.add(Each(source, fn, args))
        return Tell(source, kind)

    def parted(self, source: int) -> Fold:
        """A fold that is done in parts."""
        name = self.pick(("tally", "strand"))
        layers = ((("m", self.value(name, "m")),),) if name == "strand" and self.failing("m") else ()
        initial = Const(self.draw(_sampled_from(STARTS[name])))
        taken = any(isinstance(node, Take) for node in self.nodes)
        return Fold(source, self.fn(name, layers), initial, name != "tally" or self.chance(2) or taken, combines=True)

    def partitioned(self) -> Node:
        """A generator for each partition; often folded in parts."""
        name = self.pick(("count", "emit", *self.failing("faulty")))
        given = []
        for _ in range(self.pick(range(4))):
            free = [each for each in parameters(Fn(name)) if (name, each) in _SPECIAL]
            given.append({each: self.draw(_SPECIAL[name, each]) for each in free})
            if name == "faulty":
                # What comes before an error may go on or not: here nothing does.
                given[-1]["after"] = self.pick((0, 9))
        parts = self.add(Parts(self.fn(name), tuple(tuple(one.items()) for one in given)))
        items = Operate(parts, "unbatch", flat=True)
        return self.parted(self.add(items)) if self.chance(2) else items

    def beside(self) -> int:
        """A stream of its own."""
        source = self.add(self.iterate())
        if self.chance(2):
            fn, args = self.applied()
            source = self.add(Each(source, self.placed(fn), args))
        return source

    def operate(self, source: int) -> Operate:
        if self.chance(4):
            # What holds others, to be taken apart.
            fn, args = self.applied("listing", "spread")
            if self.chance(4):
                each = Each(source, self.placed(self.fated(fn, "skip", "mend")), args)
                return Operate(self.add(each), "unbatch", flat=True)
            batch = Operate(source, "batch", (("n", self.pick((1, 2, 3))),))
            source = self.add(Each(source, fn, args) if self.chance(3) else batch)
            return Operate(self.add(self.keep(source)) if self.chance(4) else source, "unbatch")
        kinds: list[Kind] = ["batch", "window", "take_while", "enumerate", "skip", "distinct", "group_by", "zip"]
        kinds += ["window", "take_while", "skip", "zip", "zip", "scan", "scan"]
        if holds(self.nodes, source):
            kinds += ["unbatch"] * 6
        kind = self.pick(kinds)
        match kind:
            case "take_while":
                fn, args = self.applied("likes", "odds", *self.failing("fussy"))
                return Operate(source, kind, (), fn, args)
            case "distinct" | "group_by":
                fn, args = self.applied("residue", *self.failing("touchy"))
                limit = (("limit", 99),) if kind == "distinct" else ()
                return Operate(source, kind, limit, fn, args)
            case "scan":
                fn = self.folding(self.pick(("fold", "fold", "lagfold", *self.failing("choosy"))))
                return Operate(source, kind, fn=fn, initial=self.argument())
            case "zip":
                return Operate(source, kind, other=self.beside() if self.chance(2) else self.pick(self.flows()))
            case _:
                return Operate(source, kind, tuple((name, self.pick((1, 2, 2, 3))) for name in NUMBERS.get(kind, ())))

    def keep(self, source: int) -> Keep:
        while isinstance(node := self.nodes[source], Take):
            # Others may read what is taken from, now or later: then it cannot be saved.
            source = node.source
        names = key_names(self.graph, source)
        fields = [self.pick(names) for _ in range(self.pick(range(3)))] if names else []
        spec = self.pick(["", "03d", "x", " >4", "_"])
        return Keep(source, tuple(fields), spec, self.draw(_STORES))

    def over(self) -> Over:
        name = self.pick(("mark", "mark", "swap", "echo", "blank", *self.failing("picky")))
        free = [each for each in parameters(Fn(name)) if (name, each) not in _SPECIAL]
        count = self.pick(range(1, len(free) + 1))
        needed = [each for each in free if each not in defaults(Fn(name))]
        mapped = list(dict.fromkeys(needed[: count if count > len(needed) else len(needed)] + free))[:count]
        fixed, mode = [each for each in needed if each not in mapped], self.draw(_MODES)
        layers = (tuple((each, self.value(name, each)) for each in fixed),) if fixed else ()
        return Over(self.fated(self.fn(name, layers), "skip", "mend"), self.mapped(mapped, mode), mode)

    def mapped(self, names: list[str], mode: Literal["zip", "product"]) -> Args:
        graph, known = self.graph, [p for p in self.open() if self.lengths[p] is not None]
        if len(names) > 1:
            known = [p for p in known if not isinstance(kept(graph, p), Iterate)]
        length, left, found = self.pick(range(5)), _MOST_MAPPED, list[tuple[str, Arg]]()
        if known and self.chance(2):
            length = self.lengths[self.pick(known)] or 0
        for name in names:
            most = length if mode == "zip" else min(4, left)
            fitting = [p for p in known if self.lengths[p] == length or (mode == "product" and self.size(p) <= most)]
            if fitting and self.chance(2):
                arg: Arg = Use(self.pick(fitting))
                left //= max(1, self.size(arg.node)) if isinstance(arg, Use) else 1
            else:
                const = self.draw(item_lists(length if mode == "zip" else 0, most))
                left //= max(1, len(const))
                arg = Const(const)
            found.append((name, arg))
        return tuple(found)

    def size(self, position: int) -> int:
        return self.lengths[position] or 0

    def applied(self, *names: str) -> tuple[Fn, Args]:
        """A task that takes an item in one of its parameters, with what is bound besides."""
        name = self.pick(names or (*_OF_ONE, *self.failing("picky")))
        open_ones = [each for each in parameters(Fn(name)) if (name, each) not in _SPECIAL]
        item = self.pick((open_ones[0], *open_ones))
        before = parameters(Fn(name))[: parameters(Fn(name)).index(item)]
        return self.call(name, item, before)

    def call(self, name: str, item: str | None = None, before: list[str] | None = None) -> tuple[Fn, Args]:
        """Bind everything but the item: in layers of partials, and what is left in the call itself."""
        places: list[list[tuple[str, Arg]]] = [[] for _ in range(_LAYERS + 1)]
        for each in parameters(Fn(name)):
            must = each not in defaults(Fn(name)) or each in (before or [])
            if each != item and (must or self.chance(3)):
                place = self.pick([_LAYERS, *range(_LAYERS)])
                places[place].append((each, self.value(name, each)))
        layers = tuple(tuple(layer) for layer in places[:_LAYERS] if layer)
        return self.fn(name, layers), tuple(places[_LAYERS])

    def fn(self, name: str, layers: tuple[Args, ...] = ()) -> Fn:
        return Fn(name, self.draw(_STYLES), layers, self.chance(10))

    def fated(self, fn: Fn, *fates: Fate) -> Fn:
        """The function with what becomes of its failures: often of one that fails, of others now and then."""
        fails = fn.name in ("picky", "fussy")
        if fn.name == "spread" and fates == ("mend",):
            return fn  # A single call of a generator has no such option.
        return replace(fn, fate=self.pick(fates)) if self.chance(2 if fails else 8) else fn

    def placed(self, fn: Fn) -> Fn:
        """The task, which may ask for a place."""
        return replace(fn, on=self.draw(_PLACES)) if self.chance(3) else fn

    def value(self, name: str, parameter: str) -> Arg:
        if (name, parameter) in _SPECIAL:
            return Const(self.draw(_SPECIAL[name, parameter]))
        return self.argument()

    def argument(self) -> Arg:
        if self.nodes and self.chance(8 if self.straight else 2):
            return Use(self.one_of(self.open()))
        return Const(self.draw(VALUES))
