"""Programs as bytes: what pickling a plan gives. Functions go as they go to workers: by name, or by value."""

from __future__ import annotations

import pickle
from typing import cast

from daglite.program import Program
from daglite.runtime.travel.wire import Codec

__all__ = ["pack_program", "unpack_program"]


def pack_program(program: Program) -> bytes:
    """Pickle a program; raises `TransferError` for arguments that cannot be pickled."""
    codec = Codec("plan")
    body = codec.dumps(program)
    return pickle.dumps((codec.definitions, body))


def unpack_program(data: bytes) -> Program:
    """The program of `pack_program`."""
    definitions, body = cast("tuple[list[bytes], bytes]", pickle.loads(data))
    codec = Codec("plan")
    for definition in definitions:
        codec.learn(definition)
    return cast("Program", codec.loads(body))
