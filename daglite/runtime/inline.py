"""A stream in this process, one item after the other: the reference, and the debugger's runtime."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Literal, NoReturn

from daglite.exceptions import Failure, TransferError
from daglite.loop import Place, Shape, filters_of
from daglite.runtime.cells import Unloadable
from daglite.runtime.chain import Chain
from daglite.runtime.codec import ItemCodec
from daglite.runtime.endings import Collecting, Ending, Folding
from daglite.runtime.failures import blame, raise_blamed, short_repr
from daglite.runtime.flat import flat_loop
from daglite.runtime.saving import Saver
from daglite.runtime.source import Source

__all__ = ["InlineFlow", "run_steps"]

# About how long, in seconds, a loop goes on before it returns.
_LOOK_UP = 0.01


def run_steps(chain: Chain, value: object, index: int | None, savers: Sequence[Saver | None]) -> object:
    """Take one value through the steps; what a step's saver wants is saved before the next step may change it."""
    item = value
    for (call, _, number), step, saver in zip(chain.calls, chain.steps, savers, strict=True):
        try:
            value = call(value)
        except BaseException as error:
            attempt = step.function.retries + 1 if isinstance(error, Exception) else 1
            shown = None if index is None else short_repr(item)
            raise_blamed(error, Failure(step.function.name, number, index, shown, attempt))
        if saver is not None:
            saver(index, value)
    return value


class InlineFlow:
    """A source, steps and an ending without workers. See `stream.StreamFlow` for the one with them."""

    def __init__(
        self,
        source: Source,
        chain: Chain,
        savers: Sequence[Saver | None],
        ending: Ending,
        codec: ItemCodec | None,
        *,
        watchful: bool,
        most: int | None = None,
    ) -> None:
        """`codec` is given when items are captured at yield all the same, as on runtimes that cross processes.

        A `watchful` flow returns after each item: someone may cancel the run. It is over after `most` results.
        """
        self._source = source
        self._chain = chain
        self._savers = [self._numbered(saver) for saver in savers if saver is not None]
        self._ending = ending
        self._one = self._numbered(ending.one) if _end_of(ending) == "numbered" else ending.one
        self._codec = codec
        saves = tuple(saver is not None for saver in savers)
        shape = Shape(saves, _end_of(ending), source.saver is not None, codec is not None, filters_of(chain.steps))
        self._left = most
        shape = shape._replace(ends=most is not None)
        self._loop = flat_loop(shape)
        self._most = 1
        self._watchful = watchful

    def advance(self) -> bool:
        """Take items through, one after the other; False when there are no more."""
        ending = self._ending
        if self._left == 0:
            return False
        most, began = self._most, time.perf_counter()
        value, count = self._loop.run(
            islice(self._source.items, most),
            self._source.count,
            ending.value if isinstance(ending, Folding) else None,
            [call for call, _, _ in self._chain.calls],
            self._savers,
            self._source.saver,
            self._snap,
            self._one if self._left is None else (self._one, self._full),
            failed=self._failed,
        )
        if isinstance(ending, Folding):
            ending.value = value
        self._source.count += count
        if not ending.keeps and not self._watchful:
            self._most = 2 * most if time.perf_counter() - began < _LOOK_UP else max(1, most // 2)
        return count == most and self._left != 0

    def _full(self) -> bool:
        """One more result has come; tells whether it was the last one wanted."""
        assert self._left is not None
        self._left -= 1
        return not self._left

    def rest(self) -> None:
        """Nothing goes on between two items."""

    def release(self, nbytes: float) -> None:
        """One item at a time is alive: there is nothing to count."""

    def close(self) -> None:
        """Close the source."""
        self._source.close()

    def _numbered(self, take: Callable[..., object]) -> Callable[..., object]:
        """`take(index, value)` for a loop that counts the items of its source, whatever they are known by."""
        indices = self._source.indices
        return take if indices is None else lambda place, value: take(indices[place], value)

    def _snap(self, index: int, item: object) -> object:
        """The item as it was when it was yielded, whatever the generator does with its buffer afterwards."""
        assert self._codec is not None
        value = self._codec.restore(self._source.captured(item, index))
        if isinstance(value, Unloadable):
            index = self._source.index_of(index)
            error = TransferError(f"item {index} of task '{self._source.name}' cannot be loaded: {value.reason}")
            raise_blamed(error, Failure(self._source.name, self._source.number, index))
        return value

    def _failed(self, error: BaseException, place: Place, index: int, item: object, x: object) -> NoReturn:
        """Say what failed and raise it."""
        index = self._source.index_of(index) if place.kind != "source" else index
        if place.kind == "call":
            step = self._chain.steps[place.step]
            attempt = step.function.retries + 1 if isinstance(error, Exception) else 1
            raise_blamed(error, Failure(step.function.name, step.number, index, short_repr(item), attempt))
        if place.kind == "end" and isinstance(self._ending, Folding):
            self._ending.blame(error, index, x)
        if place.kind in ("source", "item") and isinstance(error, Exception):
            blame(error, Failure(self._source.name, self._source.number))
        raise error


def _end_of(ending: Ending) -> Literal["fold", "each", "numbered"]:
    if isinstance(ending, Folding):
        return "fold"
    return "numbered" if isinstance(ending, Collecting) and ending.indices is not None else "each"
