"""What the soak's pipelines are made of: pure functions on values, and a mark that tells who holds an item."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias
from zlib import crc32

__all__ = ["Refused", "STEPS", "Value", "fold", "is_holding", "made", "marked", "total"]

# The index of the item in its source, a number, a payload.
Value: TypeAlias = tuple[int, int, bytes]


class Refused(ValueError):
    """What the step `refuse` raises."""


def made(index: int, seed: int, size: int) -> Value:
    """The item with this index."""
    return index, seed * 7919 + index, bytes([index % 256]) * size


def shift(value: Value, k: int) -> Value:
    index, number, payload = value
    return index, number + k, payload


def scramble(value: Value, k: int) -> Value:
    index, number, payload = value
    return index, (number * (2 * k + 1) ^ crc32(payload)) % 2**61, payload


def grow(value: Value, k: int) -> Value:
    index, number, payload = value
    return index, number, payload + bytes([k % 256]) * (k % 1000)


def refuse(value: Value, k: int) -> Value:
    if value[0] == k:
        raise Refused(f"refused {k}")
    return value


STEPS: dict[str, Callable[[Value, int], Value]] = {each.__name__: each for each in (shift, scramble, grow, refuse)}


def fold(acc: int, value: Value) -> int:
    """Neither commutative nor associative."""
    return (acc * 1_000_003 + value[1] + len(value[2])) % 2**61


def total(acc: int, value: Value) -> int:
    """Commutative and associative."""
    return (acc + value[1] + len(value[2])) % 2**61


_files: dict[str, int] = {}


def _mark(folder: str, text: bytes) -> None:
    name = os.path.join(folder, str(os.getpid()))
    if name not in _files:
        _files[name] = os.open(name, os.O_WRONLY | os.O_CREAT)
    os.pwrite(_files[name], text, 0)


@contextlib.contextmanager
def _holding(folder: str) -> Iterator[None]:
    _mark(folder, b"1")
    try:
        yield
    finally:
        _mark(folder, b"0")


def is_holding(folder: Path, pid: int) -> bool:
    """Whether this process is in the middle of a step."""
    try:
        return (folder / str(pid)).read_bytes() == b"1"
    except OSError:
        return False


def marked(fn: Callable[[Value, int], Value], k: int, pause: float, folder: str) -> Callable[[Value], Value]:
    """The step as a function of one value, with a mark while it works; it takes about `pause` seconds."""

    def step(value: Value) -> Value:
        with _holding(folder):
            time.sleep(pause)
            return fn(value, k)

    return step
