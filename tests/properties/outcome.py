"""What the oracle says: values, errors, saves, and what becomes of an item that fails."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Error", "Lost", "Outcome", "Result"]


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
    over, `beside` that of the item of its other stream with which a `zip` was. Items behind the index where it `stops`
    do not come: one before them failed. Of an operation `brought` tells for each item the index of the one that brought
    it out.
    """

    value: object = None
    items: dict[int, object] = field(default_factory=dict)
    errors: list[Error] = field(default_factory=list)
    whole: bool = True
    calls: int = 0
    cut: int | None = None
    beside: int | None = None
    stops: int | None = None
    brought: dict[int, int | None] = field(default_factory=dict)


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
