"""What random pipelines are made of: plain functions on any value, shared by the builder and the oracle.

Almost all of them wrap what they are given, so that a lost, swapped or repeated value shows in the result.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from zlib import crc32

__all__ = ["COMBINES", "FUNCTIONS", "Refused", "STARTS", "Stumbled", "mended", "nothing", "stumble"]

_LONGEST = 160


class Refused(ValueError):
    """What failing tasks raise; it holds the value that was refused."""

    def __init__(self, value: object) -> None:
        super().__init__(value)
        self.value = value

    def __str__(self) -> str:
        return f"refused {self.value!r}"


class Stumbled(RuntimeError):
    """What a task raises that has retries: every first attempt."""


# One count for each thread: whoever runs beside us must not take our second try.
_stumbles = threading.local()


def stumble() -> None:
    """Raise at every odd call. Whoever calls it again at once gets through."""
    _stumbles.count = getattr(_stumbles, "count", 0) + 1
    if _stumbles.count % 2:
        raise Stumbled("try again")


def mended(index: int | None, error: Exception) -> object:
    """What stands in the place of a result that there is not."""
    return term("mended", index, str(error))


def nothing() -> None:
    """Do nothing, before a task's work."""


def checksum(value: object) -> int:
    return crc32(repr(value).encode())


def term(name: str, *parts: object) -> object:
    """The parts under a name; a checksum in their place when they grow long."""
    whole = (name, *parts)
    return whole if len(repr(whole)) <= _LONGEST else f"{name}#{checksum(whole):08x}"


def number(value: object) -> int:
    return value if isinstance(value, int) else checksum(value)


def mark(x: object, a: object = 0, b: object = None) -> object:
    return term("mark", x, a, b)


def swap(a: object, x: object, b: object = ()) -> object:
    return term("swap", a, x, b)


def echo(x: object) -> object:
    return x


def void(x: object, a: object = "") -> None:
    return None


def blank(x: object) -> object:
    """A value that is false, or None."""
    blanks: tuple[object, ...] = (0, "", (), False, None, 0.0)
    return blanks[checksum(x) % len(blanks)]


def picky(x: object, m: int = 3) -> object:
    """Refuses every m-th value or so."""
    if checksum(x) % m == 0:
        raise Refused(x)
    return term("picky", x)


def likes(x: object, m: int = 2) -> bool:
    """Turns every m-th value or so down; all of them when `m` is 1."""
    return checksum(x) % m != 0


def odds(x: object, a: object = 0) -> object:
    """A value that is true or false, and no bool."""
    return (checksum(x) + number(a)) % 2 and "odd"


def fussy(x: object, m: int = 4) -> bool:
    """Refuses every m-th value or so, and turns some down."""
    if checksum(x) % m == 0:
        raise Refused(x)
    return checksum(x) % 3 != 0


def residue(x: object, m: int = 3) -> int:
    """One of m keys."""
    return checksum(x) % m


def touchy(x: object, m: int = 4) -> int:
    """One of a few keys; refuses every m-th value or so."""
    if checksum(x) % m == 0:
        raise Refused(x)
    return checksum(x) % 3


def listing(x: object, n: int = 2) -> list[object]:
    return [term("listed", x, i) for i in range(n)]


def fold(acc: object, item: object, k: object = 0) -> object:
    return term("fold", acc, item, k)


def lagfold(k: object, acc: object, item: object) -> object:
    return term("lagfold", k, acc, item)


def choosy(acc: object, item: object, m: int = 3) -> object:
    if checksum(item) % m == 0:
        raise Refused(item)
    return term("choosy", acc, item)


def tally(acc: object, item: object) -> int:
    """Commutative and associative."""
    return (number(acc) + number(item)) % 2**61


def strand(acc: object, item: object, m: int = 0) -> str:
    """Associative and not commutative; with `m` it refuses every m-th value or so."""
    if m and checksum(item) % m == 0:
        raise Refused(item)
    return f"{acc}{item!r};"


def splice(one: object, other: object) -> str:
    """Two strands as one."""
    return f"{one}{other}"


def emit(items: tuple[object, ...], a: object = None) -> Iterator[object]:
    for item in items:
        yield item if a is None else term("emit", item, a)


def given(items: tuple[object, ...]) -> Iterator[object]:
    """What `from_iterable` gives."""
    yield from items


def count(n: int, start: int = 0) -> Iterator[object]:
    yield from range(start, start + n)


def spread(x: object, n: int = 2) -> Iterator[object]:
    """The elements of a list; n values for anything else."""
    yield from x if isinstance(x, list) else [term("spread", x, i) for i in range(n)]


def faulty(items: tuple[object, ...], after: int) -> Iterator[object]:
    yield from items[:after]
    if after < len(items):
        raise Refused(items[after])


FUNCTIONS: dict[str, Callable[..., object]] = {
    each.__name__: each
    for each in (
        mark, swap, echo, void, blank, picky, likes, odds, fussy, residue, touchy, listing, fold, lagfold, choosy,
        tally, strand, emit, given, count, spread, faulty,
    )
}  # fmt: skip

# What puts two accumulators of these folds together, and the accumulators that they may start from.
COMBINES: dict[str, Callable[[object, object], object]] = {"tally": tally, "strand": splice}
STARTS: dict[str, tuple[object, ...]] = {"tally": (0, 1, 100), "strand": ("", "a")}
