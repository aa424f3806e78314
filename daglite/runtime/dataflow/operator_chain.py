"""A chain of operators: each output is the input of the next operator. It is fed item by item, or pulled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from daglite.operations.operator import Operator
from daglite.runtime.dataflow.source import close_items

# How many iterators may pull from one another: each is a call inside the call of the next.
DEEP = 40


class OperatorChain:
    """Operators in a row. The outputs of one are fed to the next item by item, as they are needed."""

    def __init__(self, operators: Sequence[Operator]) -> None:
        self.operators = tuple(operators)
        # Returns the outputs that an item causes. A single operator needs no loop.
        self.feed = self.operators[0].feed if len(self.operators) == 1 else self._feed_all

    @property
    def done(self) -> bool:
        """Whether an operator has seen enough, so that its inputs are not needed any more."""
        return _any_done(self.operators)

    def over(self, items: Iterator[object], enough: Callable[[], None]) -> Iterator[object]:
        """Return all outputs for these items, with those of `finish`; call `enough` once no more items are needed."""
        if len(self.operators) > DEEP:
            return self._over(items, enough)
        for operator in self.operators:
            items = operator.run(items, enough)
        return items

    def some(self, items: Iterator[object]) -> Iterator[object]:
        """Return the outputs that these items cause, while others may follow."""
        if len(self.operators) > DEEP:
            return self._some(items)
        for operator in self.operators:
            items = operator.feed_all(items)
        return items

    def finish(self) -> Iterator[object]:
        """Yield what the operators still hold, except those before one that has seen enough."""
        operators = self.operators
        enough = [at for at, operator in enumerate(operators) if operator.done]
        for at in range(enough[-1] if enough else 0, len(operators)):
            yield from self._from(at + 1, operators[at].finish())
            # A later operator may have seen enough now: then those before it do not finish.
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
                yield from self.feed(item)
                if self.done:
                    return

    def _feed_all(self, item: object) -> Iterable[object]:
        return self._from(0, (item,))

    def _from(self, at: int, items: Iterable[object]) -> Iterable[object]:
        return items if at == len(self.operators) else self._through(at, items)

    def _through(self, at: int, items: Iterable[object]) -> Iterator[object]:
        """Use a stack: there may be more operators in a row than nested calls that Python allows."""
        operators, stack = self.operators, [iter(items)]
        while stack:
            place = at + len(stack) - 1
            if place == len(operators):
                yield from stack.pop()
                continue
            for item in stack[-1]:
                # An operator may have endless outputs for one item.
                if _any_done(operators[place:]):
                    stack.pop()
                else:
                    stack.append(iter(operators[place].feed(item)))
                break
            else:
                stack.pop()


def _any_done(operators: Sequence[Operator]) -> bool:
    # Called for each item: a generator for `any` would cost more than the test.
    for operator in operators:  # noqa: SIM110
        if operator.done:
            return True
    return False


class ClosingIterator:
    """An iterator whose `close` also closes the iterators before it."""

    def __init__(self, items: Iterator[object], close_front: Callable[[], None]) -> None:
        self._items = items
        self._close_front = close_front

    def __iter__(self) -> Iterator[object]:
        # The inner iterator, so that this object costs nothing for each item.
        return self._items

    def __next__(self) -> object:
        return next(self._items)

    def close(self) -> None:
        """Close this iterator, then those before it."""
        try:
            close_items(self._items)
        finally:
            self._close_front()


class ChainedItems(ClosingIterator):
    """An iterator over the outputs of an operator chain.

    It closes the iterators before it as soon as the chain has seen enough, or when it is closed itself. The operators
    end with the last of them, which alone holds the others.
    """

    def __init__(self, items: Iterator[object], operators: OperatorChain, close_front: Callable[[], None]) -> None:
        super().__init__(operators.over(items, close_front), close_front)
