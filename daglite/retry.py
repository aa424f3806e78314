"""Retry: how often a failing call is repeated, and after which delays."""

from __future__ import annotations

import struct
from math import isfinite
from typing import TYPE_CHECKING

from daglite.exceptions import ParameterError
from daglite.lazy import lazy
from daglite.records import record

if TYPE_CHECKING:
    import hashlib
else:
    hashlib = lazy("hashlib")


_NUMBERS = struct.Struct("<qQqq")
_ALL = 2**64


@record(eq=True)
class Retry:
    """The retry policy of a task: a failing call is repeated until it has had `attempts`, the first one included.

    The delay before the second attempt is `first_delay` seconds, before each later one `factor` times the last, never
    more than `max_delay`. `jitter` is the random share of a delay: with 0.5 the delay is between half of its value and
    all of it. It depends on step, item, attempt and `seed` only, so it is reproducible. Only exceptions of the classes
    in `on` are retried, among them `daglite.exceptions.TaskTimeoutError`, which a call over its `timeout` raises.

    Raises `ParameterError` for values that are not allowed.

    >>> retry = Retry(attempts=4, first_delay=1.0, jitter=0.0)
    >>> [retry.delay(attempt) for attempt in (1, 2, 3)]
    [1.0, 2.0, 4.0]
    """

    attempts: int = 3
    first_delay: float = 0.1
    factor: float = 2.0
    max_delay: float = 60.0
    jitter: float = 0.5
    seed: int = 0
    on: tuple[type[Exception], ...] = (Exception,)

    def __post_init__(self) -> None:
        if isinstance(self.attempts, bool) or not isinstance(self.attempts, int) or self.attempts < 1:
            raise ParameterError(f"`attempts` of `Retry` must be a whole number >= 1; got {self.attempts!r}")
        for name, least in (("first_delay", 0), ("factor", 1), ("max_delay", 0), ("jitter", 0)):
            value = getattr(self, name)
            number = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
            if not number or value < least:
                raise ParameterError(f"`{name}` of `Retry` must be a number >= {least}; got {value!r}")
        if self.jitter > 1:
            raise ParameterError(f"`jitter` of `Retry` must be a number from 0 to 1; got {self.jitter!r}")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or not -(2**63) <= self.seed < 2**63:
            raise ParameterError(f"`seed` of `Retry` must be a whole number of 64 bits; got {self.seed!r}")
        classes = isinstance(self.on, tuple) and all(isinstance(one, type) for one in self.on)
        if not classes or not self.on or not all(issubclass(one, Exception) for one in self.on):
            raise ParameterError(f"`on` of `Retry` must be a tuple of exception classes; got {self.on!r}")

    def delay(self, attempt: int, step: int = 0, index: int | None = None) -> float:
        """Return the seconds to wait after attempt number `attempt` (from 1) at item `index`; None: a single call."""
        try:
            longest = min(self.max_delay, self.first_delay * self.factor ** (attempt - 1))
        except OverflowError:
            longest = self.max_delay
        if not self.jitter:
            return longest
        packed = _NUMBERS.pack(self.seed, step % _ALL, -1 if index is None else index, attempt)
        chance = int.from_bytes(hashlib.blake2b(packed, digest_size=8).digest(), "little") / _ALL
        return longest * (1 - self.jitter * chance)
