"""Operators one behind the other: fed item by item, or pulled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from daglite.operations.operator import Operator
from daglite.runtime.kernel.timers import StepTimer

# So many iterators at most pull on one another: each of them is a call inside the one that pulls it.
DEEP = 40


class OperatorChain:
    """Operators one behind the other: what one gives is fed to the next, item by item, as it is asked for."""

    def __init__(self, operators: Sequence[Operator], timers: Sequence[StepTimer] = ()) -> None:
        """`timers` are the clocks in the operators, where somebody asks for the time of each."""
        self.operators = tuple(operators)
        self.timers = tuple(timers)
        # One alone need not be gone through.
        self._feed = self.operators[0].feed if len(self.operators) == 1 else self._feed_all

    @property
    def done(self) -> bool:
        """Whether one of them has seen enough: then nothing in front of it is wanted."""
        return _any_done(self.operators)

    def feed(self, item: object) -> Iterable[object]:
        """What comes out at the end because of this item."""
        return self._feed(item)

    def over(self, items: Iterator[object], enough: Callable[[], None]) -> Iterator[object]:
        """All that comes out at the end of these items."""
        if len(self.operators) > DEEP:
            return self._over(items, enough)
        for operator in self.operators:
            items = operator.run(items, enough)
        return items

    def some(self, items: Iterator[object]) -> Iterator[object]:
        """What comes out at the end because of these items, if others come later."""
        if len(self.operators) > DEEP:
            return self._some(items)
        for operator in self.operators:
            items = operator.feed_all(items)
        return items

    def finish(self) -> Iterator[object]:
        """What the operators still hold; those in front of one that has enough are not asked."""
        operators = self.operators
        enough = [at for at, operator in enumerate(operators) if operator.done]
        for at in range(enough[-1] if enough else 0, len(operators)):
            yield from self._from(at + 1, operators[at].finish())
            # One behind it may have enough by now: then those between are not asked either.
            if _any_done(operators[at + 1 :]):
                yield from OperatorChain(operators[at + 1 :]).finish()
                return

    def _over(self, items: Iterator[object], enough: Callable[[], None]) -> Iterator[object]:
        yield from self._some(items)
        if self.done:
            enough()
        yield from self.finish()

    def _some(self, items: Iterator[object]) -> Iterator[object]:
        if not self.done:
            for item in items:
                yield from self._feed(item)
                if self.done:
                    return

    def _feed_all(self, item: object) -> Iterable[object]:
        return self._from(0, (item,))

    def _from(self, at: int, items: Iterable[object]) -> Iterable[object]:
        return items if at == len(self.operators) else self._through(at, items)

    def _through(self, at: int, items: Iterable[object]) -> Iterator[object]:
        """With a stack of its own, as there may be more operators in a row than calls one in the other."""
        operators, stack = self.operators, [iter(items)]
        while stack:
            place = at + len(stack) - 1
            if place == len(operators):
                yield from stack.pop()
                continue
            for item in stack[-1]:
                # What is taken apart may have no end.
                if _any_done(operators[place:]):
                    stack.pop()
                else:
                    stack.append(iter(operators[place].feed(item)))
                break
            else:
                stack.pop()


def _any_done(operators: Sequence[Operator]) -> bool:
    # Asked for each item: a generator for `any` would cost more than the question.
    for operator in operators:  # noqa: SIM110
        if operator.done:
            return True
    return False


class ChainedItems:
    """The items that come out of a pipe, pulled: an iterator with `close`.

    `close_front` closes what it pulls from; as soon as the pipe has seen enough, before anything else goes on.
    """

    def __init__(self, items: Iterator[object], pipe: OperatorChain, close_front: Callable[[], None]) -> None:
        self._close_front = close_front
        self._out = pipe.over(items, close_front)

    def __iter__(self) -> Iterator[object]:
        # Nothing of this stands between two items.
        return self._out

    def __next__(self) -> object:
        return next(self._out)

    def close(self) -> None:
        """End here and in front. What stands between ends with the last of them, which alone holds it."""
        close = getattr(self._out, "close", None)
        try:
            if close is not None:
                close()
        finally:
            self._close_front()
