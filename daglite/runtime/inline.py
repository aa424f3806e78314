"""A stream in this process, one item after the other: the reference, and the debugger's runtime."""

from __future__ import annotations

from collections.abc import Sequence

from daglite.exceptions import Failure, TransferError
from daglite.runtime.chain import Chain
from daglite.runtime.endings import Ending
from daglite.runtime.failures import raise_blamed, short_repr
from daglite.runtime.saving import Saver
from daglite.runtime.source import Source
from daglite.runtime.wire import Codec, Unloadable

__all__ = ["InlineFlow", "run_steps"]


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
        self, source: Source, chain: Chain, savers: Sequence[Saver | None], ending: Ending, codec: Codec | None
    ) -> None:
        """`codec` is given when items are captured at yield all the same, as on runtimes that cross processes."""
        self._source = source
        self._chain = chain
        self._savers = savers
        self._ending = ending
        self._codec = codec

    def advance(self) -> bool:
        """Take one item through; False when there are no more."""
        cells: list[object] = []
        self._source.pull(1, cells.append)
        if not cells:
            return False
        index = self._source.count - 1
        value = cells[0] if self._codec is None else self._restored(self._codec, cells[0], index)
        value = run_steps(self._chain, value, index, self._savers)
        self._ending.take(index, [value], 0)
        return True

    def rest(self) -> None:
        """Nothing goes on between two items."""

    def release(self, nbytes: float) -> None:
        """One item at a time is alive: there is nothing to count."""

    def close(self) -> None:
        """Close the source."""
        self._source.close()

    def _restored(self, codec: Codec, cell: object, index: int) -> object:
        """The item as it was when it was yielded, whatever the generator does with its buffer afterwards."""
        value = codec.restore(cell)
        if isinstance(value, Unloadable):
            error = TransferError(f"item {index} of task '{self._source.name}' cannot be loaded: {value.reason}")
            raise_blamed(error, Failure(self._source.name, self._source.number, index))
        return value
