"""The token of a value: the graph of the values that it consists of, digested from the leaves up.

The digest of a value covers its label and the digests of its parts, so neither the order of a visit nor sharing
matters. Values on a cycle (a function in its own closure) have no leaves below them; they are distinguished in rounds,
each of which looks one step further, until a round distinguishes no more. Nothing here recurses: depth costs no stack.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256

from daglite.tokens.objects import split
from daglite.tokens.parts import UnstableValue, ValuePart, leaf, raised, type_name

# A part of a value: its number in the graph, or the digest of a leaf.
_Link = int | bytes

# The most digests for one cycle. Closures and classes need a few hundred; a long ring of equal objects would need the
# square of its length, which would take minutes.
_CYCLE_WORK = 200_000


def token(value: object) -> str:
    """Return a digest of `value`, the same in every process and on every machine with the same Python version.

    Raises `UnstableValue`, with the reason as its text, when a part of `value` has no stable token.

    >>> token({"a": 1, "b": 2}) == token({"b": 2, "a": 1})
    True
    >>> token(lambda x: x + 1) == token(lambda x: x + 2)
    False
    """
    found = leaf(value)
    return (_digest_graph(value) if found is None else found).hex()[:32]


def _digest_graph(root: object) -> bytes:
    parts, links = _explore(root)
    digests: dict[int, bytes] = {}
    for component in _components(links):
        first = component[0]
        if len(component) == 1 and first not in links[first]:
            digests[first] = _combine(parts[first], links[first], digests)
        else:
            _digest_cycle(component, parts, links, digests)
    return digests[0]


def _explore(root: object) -> tuple[list[ValuePart], list[list[_Link]]]:
    """Number the values that `root` consists of, from `root` itself as 0, and link each one to its parts."""
    parts: list[ValuePart] = []
    links: list[list[_Link]] = []
    values = [root]  # grows during the loop, and keeps temporary values, so that no `id` is reused
    origins = [(-1, 0)]
    numbers = {id(root): 0}
    for number, value in enumerate(values):
        try:
            part = split(value)
        except Exception as error:  # of the user's code, which runs here; a fingerprint must not stop a compile
            reason = (
                error if isinstance(error, UnstableValue) else f"a '{type_name(type(value))}', which {raised(error)}"
            )
            raise UnstableValue(f"{_place(number, parts, origins)} is {reason}") from error
        parts.append(part)
        row: list[_Link] = []
        for position, child in enumerate(part.children):
            found: _Link | None = leaf(child)
            if found is None:
                found = numbers.setdefault(id(child), len(values))
                if found == len(values):
                    values.append(child)
                    origins.append((number, position))
            row.append(found)
        links.append(row)
    return parts, links


def _components(links: Sequence[Sequence[_Link]]) -> Iterator[list[int]]:
    """Yield the strongly connected components of the graph from 0, parts first (Tarjan, with an explicit stack)."""
    lowest = {0: 0}
    open_nodes = [0]  # visited, component not known yet
    done: set[int] = set()
    path = [(0, 0, iter(links[0]))]
    while path:
        node, order, rest = path[-1]
        for link in rest:
            if isinstance(link, bytes) or link in done:
                continue
            if link not in lowest:
                lowest[link] = len(lowest)
                open_nodes.append(link)
                path.append((link, lowest[link], iter(links[link])))
                break
            lowest[node] = min(lowest[node], lowest[link])
        else:
            path.pop()
            if path:
                above = path[-1][0]
                lowest[above] = min(lowest[above], lowest[node])
            if lowest[node] == order:
                component = [open_nodes.pop()]
                while component[-1] != node:
                    component.append(open_nodes.pop())
                done.update(component)
                yield component


def _digest_cycle(
    component: Sequence[int], parts: Sequence[ValuePart], links: Sequence[Sequence[_Link]], digests: dict[int, bytes]
) -> None:
    """Digest the values of a cycle: equal exactly when no walk through their parts shows a difference."""
    colours = {node: sha256(parts[node].label).digest() for node in component}
    for _ in range(_CYCLE_WORK // len(component)):
        digests.update(colours)
        finer = {node: _combine(parts[node], links[node], digests) for node in component}
        if len(set(finer.values())) == len(set(colours.values())):
            # All colours together identify the cycle: with equal sets of colours, later rounds would not differ.
            cycle = b"".join(sorted(set(finer.values())))
            digests.update({node: sha256(b"cycle " + colour + cycle).digest() for node, colour in finer.items()})
            return
        colours = finer
    noun = next((parts[node].noun for node in component if parts[node].noun), "the value")
    raise UnstableValue(f"{noun} is part of a cycle of {len(component)} objects, too long for a stable token")


def _combine(part: ValuePart, links: Sequence[_Link], digests: dict[int, bytes]) -> bytes:
    found = [link if isinstance(link, bytes) else digests[link] for link in links]
    if part.unordered:
        size = part.unordered
        found = sorted(b"".join(found[at : at + size]) for at in range(0, len(found), size))
    return sha256(b"node %d %b" % (len(part.label), part.label) + b"".join(found)).digest()


def _place(number: int, parts: Sequence[ValuePart], origins: Sequence[tuple[int, int]]) -> str:
    """Return the path to value `number`, from the inside out, up to the nearest task, function or class."""
    if not number:
        return "the value"
    steps: list[str] = []
    while number:
        number, position = origins[number]
        outer = parts[origins[number][0]].place(origins[number][1]) if number else ""
        step = parts[number].place(position)
        if number and not outer and step.startswith("entry "):  # of an object's `__dict__`
            step = "attribute" + step[len("entry") :]
        steps += [step] if step else []
        # A function directly under a task is named by the task.
        if steps and outer and parts[number].noun:
            break
    return " of ".join([*steps[:4], *["…"][: len(steps) > 4], parts[number].noun or "the value"])
