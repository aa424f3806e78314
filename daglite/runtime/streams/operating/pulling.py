"""Operators that work over an iterator: over all items that there are, or over some, behind which others will come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, runtime_checkable

from daglite.runtime.streams.operating.operators import Enough, Operator, until_done

__all__ = ["Pulling", "over", "some"]


@runtime_checkable
class Pulling(Protocol):
    """An operator that knows a way of its own to work over items that are pulled."""

    def over(self, items: Iterator[object], enough: Enough) -> Iterator[object]:
        """All that comes out of these items. When it has seen enough it calls `enough`, and asks for no more."""
        ...


def over(operator: Operator, items: Iterator[object], enough: Enough) -> Iterator[object]:
    """All that comes out of an operator that has these items to itself; see `Pulling`."""
    return operator.over(items, enough) if isinstance(operator, Pulling) else _fed(operator, items, enough)


def some(operator: Operator, items: Iterator[object]) -> Iterator[object]:
    """What comes out because of these items; what the operator keeps it keeps, for others that come later.

    One that has a method of this name knows a way of its own.
    """
    own: Callable[[Iterator[object]], Iterator[object]] | None = getattr(operator, "some", None)
    return until_done(operator, items) if own is None else own(items)


def _fed(operator: Operator, items: Iterator[object], enough: Enough) -> Iterator[object]:
    """What comes out of an operator that is fed these items."""
    if not operator.done:
        for item in items:
            yield from operator.feed(item)
            if operator.done:
                break
    if operator.done:
        enough()
    yield from operator.finish()
