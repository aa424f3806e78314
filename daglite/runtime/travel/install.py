"""Programs on the wire: the steps of a chain, each function and each argument pickled by itself.

A function that must go by value takes the slow road alone; a large list beside it goes by plain pickle.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias, cast

from daglite.exceptions import TransferError
from daglite.functions import Function
from daglite.runtime.chain import BoundStep
from daglite.runtime.travel.wire import Codec

__all__ = ["pack_steps", "unpack_steps"]

# Number, name, function, arguments, then `_Kind`: items, filters, tapped, starts, clocked, limit, and the others.
_Kind: TypeAlias = tuple[tuple[str, ...], bool, bool, bytes | None, bool, int | None, tuple[bool, int, int]]
_Row: TypeAlias = tuple[int, str, bytes, list[tuple[str, bytes]], _Kind]


def pack_steps(codec: Codec, steps: Sequence[BoundStep]) -> bytes:
    """Pickle a chain; raises `TransferError` naming the task and what of it cannot be pickled."""
    packed = []
    for step in steps:
        function = _dumps(codec, step.function, f"task '{step.function.name}'")
        arguments = [
            (name, _dumps(codec, value, f"argument '{name}' of task '{step.function.name}'"))
            for name, value in step.arguments
        ]
        starts = None
        if step.starts is not None:
            starts = _dumps(codec, step.starts, f"`initial` or `empty` of task '{step.function.name}'")
        packed.append(
            (
                step.number,
                step.function.name,
                function,
                arguments,
                (step.items, step.filters, step.tapped, starts, step.clocked, step.limit, _others(step)),
            )
        )
    return codec.dumps(packed)


def unpack_steps(codec: Codec, body: bytes | bytearray) -> list[BoundStep]:
    """Rebuild a chain; raises `TransferError` naming the task and what of it cannot be loaded here."""
    rows = cast("list[_Row]", codec.loads(body))
    steps = []
    for number, task, packed, arguments, (items, filters, tapped, both, clocked, limit, others) in rows:
        function = cast("Function", _loads(codec, packed, f"task '{task}'"))
        values = tuple((name, _loads(codec, one, f"argument '{name}' of task '{task}'")) for name, one in arguments)
        starts = None
        if both is not None:
            starts = cast("tuple[object, object]", _loads(codec, both, f"`initial` or `empty` of task '{task}'"))
        steps.append(BoundStep(number, function, values, items, filters, tapped, starts, clocked, limit, *others))
    return steps


def _others(step: BoundStep) -> tuple[bool, int, int]:
    return step.spreads, step.seed, step.spot


def _dumps(codec: Codec, value: object, what: str) -> bytes:
    try:
        return codec.dumps(value)
    except TransferError as error:
        raise TransferError(f"{what} cannot be sent to a worker: {error}") from error


def _loads(codec: Codec, data: bytes, what: str) -> object:
    try:
        return codec.loads(data)
    except Exception as error:
        raise TransferError(f"{what} cannot be loaded in a worker: {type(error).__name__}: {error}") from error
