"""Operations at work: each takes items one by one and gives what becomes of them. Pure; the same for every runtime.

    operator.feed(item)    what comes out because of this item; lazy, so a large list is taken apart without a copy
    operator.finish()      what comes out because no more items come
    operator.done          whether it has seen enough: nothing more need be fed

Several of them in a row are a `Pipe`, see there. Where items are pulled (`pulling`) some have a way of their own to
work over an iterator, which is the same, and many times as fast.

Operators that work over an iterator: over all items that there are, or over some, behind which others will come.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sized
from itertools import chain, islice
from typing import NoReturn, Protocol, runtime_checkable

from daglite.exceptions import ExecutionError, Failure
from daglite.program import StreamOperation
from daglite.runtime.kernel.errors import raise_blamed, short_repr


@runtime_checkable
class PullOperator(Protocol):
    """An operator that knows a way of its own to work over items that are pulled."""

    def over(self, items: Iterator[object], enough: Enough) -> Iterator[object]:
        """All that comes out of these items. When it has seen enough it calls `enough`, and asks for no more."""
        ...


def over(operator: Operator, items: Iterator[object], enough: Enough) -> Iterator[object]:
    """All that comes out of an operator that has these items to itself; see `PullOperator`."""
    return operator.over(items, enough) if isinstance(operator, PullOperator) else _fed(operator, items, enough)


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


_NOTHING: tuple[object, ...] = ()

# What a task of the user's says of an item.
Ask = Callable[[object], object]
# Keeps an item under its index.
Keep = Callable[[int, object], None]
# Told when no more items are wanted.
Enough = Callable[[], None]


class Operator(Protocol):
    """What an operation does. It is fed in order, and never again once it is `done` or has been finished."""

    @property
    def done(self) -> bool:
        """Whether it has seen enough; items that are fed all the same have no effect."""
        ...

    def feed(self, item: object) -> Iterable[object]:
        """What comes out because of this item. To be gone through before the next item is fed."""
        ...

    def finish(self) -> Iterable[object]:
        """What comes out because no more items come, or because no more are wanted; nothing, if it has come already."""
        ...


def until_done(operator: Operator, items: Iterator[object]) -> Iterator[object]:
    """What an operator makes of items until it has seen enough."""
    feed = operator.feed
    if not operator.done:
        for item in items:
            yield from feed(item)
            if operator.done:
                return


class _Operator(ABC):
    """Gives nothing at the end, and never has enough.

    It counts what it is fed where something can go wrong: that is the index of an item here.
    """

    done = False

    def __init__(self, operation: StreamOperation) -> None:
        self._operation = operation
        self._count = 0

    @abstractmethod
    def feed(self, item: object) -> Iterable[object]: ...

    def finish(self) -> Iterable[object]:
        return _NOTHING

    def some(self, items: Iterator[object]) -> Iterator[object]:
        """See `pulling.some`."""
        return chain.from_iterable(map(self.feed, items))

    def _fail(self, error: BaseException, item: object, attempt: int = 1) -> NoReturn:
        """Raise what went wrong with the item that was fed last."""
        step = self._operation.step
        raise_blamed(error, Failure(step.function.name, step.number, self._count - 1, short_repr(item), attempt))


class _TaskOperator(_Operator):
    """One that asks a task about each item; without a task the item is its own answer."""

    def __init__(self, operation: StreamOperation, ask: Ask | None) -> None:
        super().__init__(operation)
        self._task = ask

    def _ask(self, item: object) -> object:
        self._count += 1
        if self._task is None:
            return item
        try:
            return self._task(item)
        except BaseException as error:
            retries = self._operation.step.function.retries
            self._fail(error, item, retries + 1 if isinstance(error, Exception) else 1)


class _Batch(_Operator):
    def __init__(self, operation: StreamOperation, n: int) -> None:
        super().__init__(operation)
        self._n = n
        self._filling: list[object] = []

    def feed(self, item: object) -> Iterable[object]:
        self._filling.append(item)
        if len(self._filling) < self._n:
            return _NOTHING
        full, self._filling = self._filling, []
        return (full,)

    def finish(self) -> Iterable[object]:
        rest, self._filling = self._filling, []
        return (rest,) if rest else _NOTHING

    def over(self, items: Iterator[object], enough: Enough) -> Iterator[object]:
        while some := list(islice(items, self._n)):
            yield some

    def some(self, items: Iterator[object]) -> Iterator[object]:
        while True:
            filling = self._filling
            filling += islice(items, self._n - len(filling))
            if len(filling) < self._n:
                return
            self._filling = []
            yield filling


class _Unbatch(_Operator):
    def feed(self, item: object) -> Iterable[object]:
        self._count += 1
        if type(item) is list or type(item) is tuple:
            return item
        if not isinstance(item, Iterable):
            told = f"`unbatch` needs items that hold others, as lists do; item {self._count - 1} is {short_repr(item)}"
            self._fail(TypeError(told), item)
        return self._parts(item)

    def _parts(self, item: Iterable[object]) -> Iterator[object]:
        """The user's own container may fail in the middle."""
        left = iter(item)
        while True:
            try:
                part = next(left)
            except StopIteration:
                return
            except BaseException as error:
                self._fail(error, item)
            yield part


class _Enumerate(_Operator):
    def feed(self, item: object) -> Iterable[object]:
        self._count += 1
        return ((self._count - 1, item),)

    def some(self, items: Iterator[object]) -> Iterator[object]:
        for pair in enumerate(items, self._count):
            self._count += 1
            yield pair

    def over(self, items: Iterator[object], enough: Enough) -> Iterator[object]:
        return enumerate(items)


class _Skip(_Operator):
    def __init__(self, operation: StreamOperation, n: int) -> None:
        super().__init__(operation)
        self._left = n

    def feed(self, item: object) -> Iterable[object]:
        if self._left:
            self._left -= 1
            return _NOTHING
        return (item,)

    def over(self, items: Iterator[object], enough: Enough) -> Iterator[object]:
        return islice(items, self._left, None)


class _Take(_Operator):
    def __init__(self, operation: StreamOperation, n: int) -> None:
        super().__init__(operation)
        self._left = n
        self.done = not n

    def feed(self, item: object) -> Iterable[object]:
        if self.done:
            return _NOTHING
        self._left -= 1
        self.done = not self._left
        return (item,)

    def some(self, items: Iterator[object]) -> Iterator[object]:
        return until_done(self, items)

    def over(self, items: Iterator[object], enough: Enough) -> Iterator[object]:
        yield from islice(items, self._left)
        enough()


class _TakeWhile(_TaskOperator):
    def feed(self, item: object) -> Iterable[object]:
        if self.done:
            return _NOTHING
        if self._ask(item):
            return (item,)
        self.done = True
        return _NOTHING

    def some(self, items: Iterator[object]) -> Iterator[object]:
        return until_done(self, items)


class _Window(_Operator):
    def __init__(self, operation: StreamOperation, n: int, step: int) -> None:
        super().__init__(operation)
        self._items: deque[object] = deque(maxlen=n)
        self._step = step
        # Items that are still to come before the next window is whole.
        self._left = n

    def feed(self, item: object) -> Iterable[object]:
        self._items.append(item)
        self._left -= 1
        if self._left:
            return _NOTHING
        self._left = self._step
        return (list(self._items),)

    def over(self, items: Iterator[object], enough: Enough) -> Iterator[object]:
        held, left, step = self._items, self._left, self._step
        for item in items:
            held.append(item)
            left -= 1
            if not left:
                left = step
                yield list(held)


class _Distinct(_TaskOperator):
    def __init__(self, operation: StreamOperation, ask: Ask | None, limit: int) -> None:
        super().__init__(operation, ask)
        self._limit = limit
        self._seen: set[object] = set()

    def feed(self, item: object) -> Iterable[object]:
        key = self._ask(item)
        try:
            known = key in self._seen
        except TypeError as error:
            what = "its items" if self._task is None else f"what task '{self._operation.step.function.name}' gives"
            told = f"`distinct` keeps {what} in a set, and this cannot be: {error}; give a `key` that can"
            self._fail(TypeError(told), item)
        if known:
            return _NOTHING
        if len(self._seen) == self._limit:
            told = f"`distinct` has seen {self._limit} different items, which is its `limit`; give it a larger one"
            self._fail(ExecutionError(told), item)
        self._seen.add(key)
        return (item,)


class _GroupBy(_TaskOperator):
    def __init__(self, operation: StreamOperation, ask: Ask | None, limit: int | None) -> None:
        super().__init__(operation, ask)
        self._limit = limit
        self._key: object = None
        self._group: list[object] = []

    def feed(self, item: object) -> Iterable[object]:
        key = self._ask(item)
        if self._group and self._goes_on(key, item):
            if len(self._group) == self._limit:
                told = (
                    f"a group of `group_by` has more than {self._limit} items, its `limit`: that of the key "
                    f"{short_repr(self._key)}; give it a larger one"
                )
                self._fail(ExecutionError(told), item)
            self._group.append(item)
            return _NOTHING
        whole = self.finish()
        self._key, self._group = key, [item]
        return whole

    def finish(self) -> Iterable[object]:
        group, self._group = self._group, []
        return ((self._key, group),) if group else _NOTHING

    def _goes_on(self, key: object, item: object) -> bool:
        try:
            return key is self._key or bool(key == self._key)
        except BaseException as error:
            # The user's own `__eq__`, or an array, of which nobody can say whether it is true.
            self._fail(error, item)


class _Zip(_Operator):
    """`other` is a list, of which is known how long it is, or a stream that is pulled."""

    def __init__(self, operation: StreamOperation, other: Iterable[object]) -> None:
        super().__init__(operation)
        self._other = iter(other)
        self._left = len(other) if isinstance(other, Sized) else None
        self.done = self._left == 0

    def feed(self, item: object) -> Iterable[object]:
        if self.done:
            return _NOTHING
        for one in self._other:
            if self._left is not None:
                self._left -= 1
                self.done = not self._left
            return ((item, one),)
        self.done = True
        return _NOTHING

    def some(self, items: Iterator[object]) -> Iterator[object]:
        return until_done(self, items)

    def over(self, items: Iterator[object], enough: Enough) -> Iterator[object]:
        firsts = items if self._left is None else islice(items, self._left)
        try:
            yield from zip(firsts, self._other, strict=False)
            enough()
        finally:
            close = getattr(self._other, "close", None)
            if close is not None:
                close()


class _Saving:
    """Not an operation: keeps what one gives before it goes on."""

    done = False

    def __init__(self, saver: Keep) -> None:
        self._saver = saver
        self._count = 0

    def feed(self, item: object) -> Iterable[object]:
        self._saver(self._count, item)
        self._count += 1
        return (item,)

    def finish(self) -> Iterable[object]:
        return _NOTHING


def saving(saver: Keep) -> Operator:
    """Keeps what goes through, numbered from 0."""
    return _Saving(saver)


def operator_of(operation: StreamOperation, ask: Ask | None, other: Iterable[object] = ()) -> Operator:
    """The operation at work, new. `ask` is its task, if it has one; `zip` reads `other`."""
    number = dict(operation.numbers)
    match operation.kind:
        case "batch":
            return _Batch(operation, number["n"])
        case "distinct":
            return _Distinct(operation, ask, number["limit"])
        case "enumerate":
            return _Enumerate(operation)
        case "group_by":
            return _GroupBy(operation, ask, number.get("limit"))
        case "skip":
            return _Skip(operation, number["n"])
        case "take":
            return _Take(operation, number["n"])
        case "take_while":
            return _TakeWhile(operation, ask)
        case "unbatch":
            return _Unbatch(operation)
        case "window":
            return _Window(operation, number["n"], number["step"])
        case "zip":
            return _Zip(operation, other)
