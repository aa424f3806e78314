"""Gauges: how far a stream is, for whoever looks at it while it runs."""

from __future__ import annotations

from daglite.runtime.streams.ledger import Ledger
from daglite.runtime.streams.route import Route
from daglite.runtime.streams.source import Source

__all__ = ["InlineGauge", "WindowGauge"]


class InlineGauge:
    """The gauge of a stream that has no workers: an item is done before the next comes."""

    alive = 0
    peak = 1

    def __init__(self, source: Source, ledger: Ledger) -> None:
        self._source = source
        self._ledger = ledger

    @property
    def failed(self) -> int:
        return self._ledger.count

    @property
    def pulled(self) -> int:
        return self._source.count

    @property
    def done(self) -> int:
        return self._source.count


class WindowGauge:
    """The gauge of a stream through workers: how far the items of the source are, and what all legs hold."""

    def __init__(self, route: Route, before: int, ledger: Ledger) -> None:
        """`before`: items that were done before the stream had workers."""
        self._ledger = ledger
        self._route = route
        self._window = route.first.window
        self._before = before

    @property
    def failed(self) -> int:
        return self._ledger.count

    @property
    def pulled(self) -> int:
        return self._before + self._window.pulled

    @property
    def done(self) -> int:
        return self._before + self._window.released

    @property
    def alive(self) -> int:
        return self._route.alive()

    @property
    def peak(self) -> int:
        return max(self._window.peak, self._route.peak)
