"""The base of operators: state machines that are fed the items of a stream in order, one by one. Pure.

    operator.feed(item)    the outputs that this item causes; lazy, so a large list is taken apart without a copy
    operator.finish()      the outputs that the end of the stream causes
    operator.done          whether it needs no more items

Where items can be pulled, `feed_all` and `run` take an iterator. An operator overrides them where it can work over an
iterator many times as fast; the outputs are the same.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, NoReturn, Protocol

from daglite.records import record


class ReportFailure(Protocol):
    """Raises an error with the facts of a failure; `by_task`: the task of the operation raised it."""

    def __call__(self, error: BaseException, item: object, index: int, *, by_task: bool = False) -> NoReturn: ...


@record
class OperatorInputs:
    """The parts of an operator.

    `numbers` are the whole numbers of the operation by name. `task` is called about items, if there is one, and has
    the name `task_name`. `operand` is the value that the operation reads beside its items.
    """

    numbers: Mapping[str, int]
    task: Callable[..., object] | None
    task_name: str
    operand: Any
    fail: ReportFailure


class Operator(ABC):
    """An operator that needs all items and has no outputs at the end, unless a subclass says otherwise."""

    done = False

    @abstractmethod
    def feed(self, item: object) -> Iterable[object]:
        """Return the outputs that this item causes; they must be read before the next item is fed.

        Items that are fed to an operator that is `done` have no effect.
        """

    def finish(self) -> Iterable[object]:
        """Return the outputs that the end of the stream causes; none at the second call."""
        return ()

    def feed_all(self, items: Iterator[object]) -> Iterator[object]:
        """Yield the outputs that these items cause; others may be fed later."""
        return chain.from_iterable(map(self.feed, items))

    def run(self, items: Iterator[object], stop: Callable[[], None]) -> Iterator[object]:
        """Yield all outputs for these items and their end. Call `stop` and read no more as soon as it is done."""
        if not self.done:
            for item in items:
                yield from self.feed(item)
                if self.done:
                    break
        if self.done:
            stop()
        yield from self.finish()


class StoppingOperator(Operator):
    """An operator that may be done before its items end."""

    def feed_all(self, items: Iterator[object]) -> Iterator[object]:
        if not self.done:
            for item in items:
                yield from self.feed(item)
                if self.done:
                    return


class CountingOperator(Operator):
    """An operator that reports failures; it counts the items that it is fed, which is the index of a failed item."""

    def __init__(self, inputs: OperatorInputs) -> None:
        self._count = 0
        self._report = inputs.fail

    def _fail(self, error: BaseException, item: object) -> NoReturn:
        """Raise an error about the item that was fed last."""
        self._report(error, item, self._count - 1)


class TaskOperator(CountingOperator):
    """An operator that calls a task with each item; without a task an item is its own answer."""

    def __init__(self, inputs: OperatorInputs) -> None:
        super().__init__(inputs)
        self._task = inputs.task
        self._task_name = inputs.task_name

    def _call(self, item: object) -> object:
        self._count += 1
        if self._task is None:
            return item
        try:
            return self._task(item)
        except BaseException as error:
            self._report(error, item, self._count - 1, by_task=True)
