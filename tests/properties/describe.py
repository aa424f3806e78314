"""Random pipelines as plain data: what to build, said without daglite.

A graph is a tuple of nodes in an order in which they can be made; nodes name each other by position, so a node that
is named twice is shared. Only what the root needs is part of the pipeline.
"""

from __future__ import annotations

import inspect
from collections import Counter
from dataclasses import dataclass
from typing import Literal, TypeAlias

from tests.properties.functions import FUNCTIONS

__all__ = [
    "Apply", "Arg", "Args", "Const", "Each", "Fate", "Fn", "Fold", "Graph", "Invoke", "Iterate", "Join", "Keep", "Kind",
    "NUMBERS", "Node", "On", "Operate", "Over", "Parts", "Sift", "Style", "Take", "Tell", "Then", "Use", "arguments",
    "defaults", "drops", "inside", "item_names", "kept", "key_names", "needed", "parameters", "reads", "shared",
    "streams", "template", "through",
]  # fmt: skip

Style = Literal["module", "closure", "async"]
On = Literal["threads", "processes", "coordinator"]
# What becomes of an item at which a function fails: the run ends, it is dropped, a value or a record takes its place.
Fate = Literal["raise", "skip", "mend", "keep"]
Kind = Literal["batch", "distinct", "enumerate", "group_by", "scan", "skip", "take_while", "unbatch", "window", "zip"]
# The whole numbers of each, by name.
NUMBERS: dict[Kind, tuple[str, ...]] = {
    "batch": ("n",), "skip": ("n",), "window": ("n", "step"), "distinct": ("limit",),
}  # fmt: skip


@dataclass(frozen=True)
class Const:
    """A plain value."""

    value: object


@dataclass(frozen=True)
class Use:
    """The future of another node; a stream arrives as a list."""

    node: int


Arg: TypeAlias = Const | Use
Args: TypeAlias = tuple[tuple[str, Arg], ...]


@dataclass(frozen=True)
class Fn:
    """A task on one of the `FUNCTIONS`; each layer is one `.partial(...)`. `on` is where it asks to run."""

    name: str
    style: Style = "closure"
    layers: tuple[Args, ...] = ()
    stumbles: bool = False
    fate: Fate = "raise"
    on: On | None = None


@dataclass(frozen=True)
class Iterate:
    """`fn.iter(**args)`"""

    fn: Fn
    args: Args


@dataclass(frozen=True)
class Invoke:
    """`fn(**args)`"""

    fn: Fn
    args: Args


@dataclass(frozen=True)
class Each:
    """`source.then(fn, **args)` of a stream, or the same written with `.map`; with the fate "keep" it is `.attempt`."""

    source: int
    fn: Fn
    args: Args
    fluent: bool = True


@dataclass(frozen=True)
class Sift:
    """`source.filter(fn, **args)` of a stream."""

    source: int
    fn: Fn
    args: Args


@dataclass(frozen=True)
class Over:
    """`fn.map(**sources, map_mode=mode)`"""

    fn: Fn
    sources: Args
    mode: Literal["zip", "product"] = "zip"


@dataclass(frozen=True)
class Then:
    """`source.then(fn, **args)` of one value."""

    source: int
    fn: Fn
    args: Args


@dataclass(frozen=True)
class Join:
    """`source.join(fn, **args)`"""

    source: int
    fn: Fn
    args: Args


@dataclass(frozen=True)
class Fold:
    """`source.reduce(fn, initial=initial, ordered=ordered)`, done in parts when it `combines`."""

    source: int
    fn: Fn
    initial: Arg
    ordered: bool = True
    combines: bool = False


@dataclass(frozen=True)
class Operate:
    """`source.kind(numbers)` of a stream; with a task where it asks one, and for `zip` with another stream.

    A `scan` has an `initial` accumulator.

    An `unbatch` that is `flat` is written in one call with its source, which nothing else reads.
    """

    source: int
    kind: Kind
    numbers: tuple[tuple[str, int], ...] = ()
    fn: Fn | None = None
    args: Args = ()
    other: int | None = None
    flat: bool = False
    initial: Arg | None = None


@dataclass(frozen=True)
class Parts:
    """The list of each partition of `fn.iter_partitions(given)`, which a `flat` operation takes apart."""

    fn: Fn
    given: tuple[tuple[tuple[str, object], ...], ...]


@dataclass(frozen=True)
class Tell:
    """`source.count()`, `source.min(key=..., default=None)` and the like: one value of a stream.

    `for_each` is `flat`: written in one call with its source.
    """

    source: int
    kind: Literal["count", "min", "max", "sum", "for_each"]

    @property
    def flat(self) -> bool:
        return self.kind == "for_each"


@dataclass(frozen=True)
class Take:
    """`source.take(n)` of a stream."""

    source: int
    n: int


@dataclass(frozen=True)
class Keep:
    """`source.save(...)`: a key of these parameters, and of the index with this format for the items of a stream."""

    source: int
    fields: tuple[str, ...] = ()
    spec: str = ""
    store: Literal["own", "run"] = "own"


Apply: TypeAlias = Iterate | Invoke | Each | Sift | Over | Parts | Then | Join | Fold
Node: TypeAlias = Apply | Operate | Tell | Take | Keep


@dataclass(frozen=True)
class Graph:
    nodes: tuple[Node, ...]
    root: int


_PARAMETERS = {name: inspect.signature(fn).parameters for name, fn in FUNCTIONS.items()}


def parameters(fn: Fn) -> list[str]:
    return list(_PARAMETERS[fn.name])


def defaults(fn: Fn) -> dict[str, object]:
    found = _PARAMETERS[fn.name].values()
    return {each.name: each.default for each in found if each.default is not each.empty}


def arguments(node: Apply | Operate | Tell) -> Args:
    """Everything bound by name: what partials fixed first; the value that `.then` gives on is one of them."""
    if isinstance(node, Tell) or node.fn is None:
        return ()
    bound = node.args if isinstance(node, Iterate | Invoke | Each | Sift | Then | Join | Operate) else ()
    bound = tuple(pair for layer in node.fn.layers for pair in layer) + bound
    if isinstance(node, Then):
        free = [name for name in parameters(node.fn) if name not in dict(bound)]
        bound = (*bound, (free[0], Use(node.source)))
    return bound


def item_names(node: Apply | Operate | Tell) -> list[str]:
    """The parameters that items fill: the first ones that nothing else does."""
    if isinstance(node, Tell) or node.fn is None:
        return []
    bound = dict(arguments(node))
    free = [name for name in parameters(node.fn) if name not in bound]
    match node:
        case Operate(kind="scan"):
            return free[:2]
        case Each() | Sift() | Join() | Operate():
            return free[:1]
        case Fold():
            return free[:2]
        case Over():
            return [name for name, _ in node.sources]
        case _:
            return []


def reads(node: Node) -> list[int]:
    """The nodes that a node needs, as often as it names them."""
    found = [] if isinstance(node, Iterate | Invoke | Over | Parts | Then) else [node.source]
    args: Args = () if isinstance(node, Keep | Take) else arguments(node)
    args += node.sources if isinstance(node, Over) else ()
    found += [node.other] if isinstance(node, Operate) and node.other is not None else []
    args += (("initial", node.initial),) if isinstance(node, Fold | Operate) and node.initial is not None else ()
    return found + [arg.node for _, arg in args if isinstance(arg, Use)]


def needed(graph: Graph) -> list[int]:
    """The nodes below the root, in order."""
    found, stack = {graph.root}, [graph.root]
    while stack:
        new = set(reads(graph.nodes[stack.pop()])) - found
        found |= new
        stack.extend(new)
    return sorted(found)


def through(graph: Graph, position: int) -> int:
    """The node below a chain of saves."""
    while isinstance(node := graph.nodes[position], Keep):
        position = node.source
    return position


def kept(graph: Graph, position: int) -> Apply | Operate | Tell:
    """What makes the value or the items of a node, saves and takes left aside."""
    while isinstance(node := graph.nodes[position], Keep | Take):
        position = node.source
    return node


def streams(graph: Graph, position: int) -> bool:
    return isinstance(kept(graph, position), Iterate | Each | Sift | Over | Parts | Operate)


def drops(node: Node) -> bool:
    """Whether not every item comes through."""
    return isinstance(node, Sift) or (isinstance(node, Each | Over) and node.fn.fate == "skip")


def key_names(graph: Graph, position: int) -> list[str]:
    """The parameters that a key of this node's save may name."""
    node = kept(graph, position)
    items = item_names(node)
    if isinstance(node, Tell) or node.fn is None:
        return [name for name, _ in node.numbers] if isinstance(node, Operate) else []
    return [name for name in {**dict(arguments(node)), **defaults(node.fn)} if name not in items]


def template(graph: Graph, position: int) -> str:
    """The key of a save; no two saves of a graph share the beginning."""
    keep = graph.nodes[position]
    assert isinstance(keep, Keep)
    index = f"{{iteration_index:{keep.spec}}}" if streams(graph, position) else ""
    return f"n{position}-" + "".join(f"{{{name}}}_" for name in keep.fields) + index


def inside(nodes: tuple[Node, ...]) -> set[int]:
    """The nodes that are written in one call with their reader: nothing else may read them."""
    return {node.source for node in nodes if isinstance(node, Operate | Tell) and node.flat}


def shared(graph: Graph) -> list[int]:
    """The nodes that are read more than once; a save reads nothing of its own."""
    found = [graph.nodes[position] for position in needed(graph)]
    counts = Counter(through(graph, read) for node in found if not isinstance(node, Keep) for read in reads(node))
    return [position for position, count in counts.items() if count > 1]
