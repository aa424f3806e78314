"""What operations give, naively: every item that comes out, with the place of the item that brings it out."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

__all__ = ["Ended", "outputs"]

# What comes out, and the place of the last item that must have come in; None: it comes out at the end only.
Out = tuple[object, int | None]
# Gives the answer of the task for the item at a place; of a fold for its accumulator and that item.
Ask = Callable[..., object]


class Ended(Exception):
    """The operation has enough with the item at this place; -1: from the start."""

    def __init__(self, place: int) -> None:
        super().__init__(place)
        self.place = place


def outputs(
    kind: str,
    number: dict[str, int],
    items: Sequence[object],
    ask: Ask,
    other: Sequence[object],
    ends: bool = True,
    initial: object = None,
) -> Iterator[Out]:
    """One after the other; raises `Ended` where it wants no more. The `other` stream `ends`, or it fails there."""
    match kind:
        case "batch":
            for start in range(0, len(items), number["n"]):
                some = list(items[start : start + number["n"]])
                yield some, start + number["n"] - 1 if len(some) == number["n"] else None
        case "unbatch":
            for place, item in enumerate(items):
                holder: Any = item
                for part in holder:
                    yield part, place
        case "enumerate":
            yield from (((place, item), place) for place, item in enumerate(items))
        case "skip":
            yield from ((item, place) for place, item in enumerate(items) if place >= number["n"])
        case "window":
            for last in range(number["n"] - 1, len(items), number["step"]):
                yield list(items[last + 1 - number["n"] : last + 1]), last
        case "take_while":
            for place, item in enumerate(items):
                if not ask(place, item):
                    raise Ended(place)
                yield item, place
        case "distinct":
            keys: list[object] = []
            for place, item in enumerate(items):
                key = ask(place, item)
                if key not in keys:
                    keys.append(key)
                    yield item, place
        case "group_by":
            group: list[object] = []
            current: object = None
            for place, item in enumerate(items):
                key = ask(place, item)
                if group and key != current:
                    yield (current, group), place
                    group = []
                current, group = key, [*group, item]
            if group:
                yield (current, group), None
        case "scan":
            for place, item in enumerate(items):
                initial = ask(place, initial, item)
                yield initial, place
        case "zip":
            if not other and ends:
                raise Ended(-1)
            for place, pair in enumerate(itertools.islice(zip(items, other, strict=False), len(other))):
                yield pair, place
                if place + 1 == len(other) and ends:
                    raise Ended(place)
        case _:
            raise AssertionError(kind)
