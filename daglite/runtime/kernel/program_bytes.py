"""Serialize programs: the bound steps of a chain for workers, and the program of a plan.

Each function and each argument of a chain is pickled by itself: a function that goes by value may need dill, and a
large list beside it does not. Large buffers, such as those of arrays, may be in blocks of shared memory beside the
pickle, which all workers of a pool map. An error names the variable, attribute or element that cannot be pickled.
"""

from __future__ import annotations

import functools
import mmap
import os
import pickle
import sys
import types
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeAlias, cast

from daglite.exceptions import TransferError
from daglite.functions import Function
from daglite.program import Program
from daglite.records import replace
from daglite.runtime.kernel.bound_step import BoundStep
from daglite.runtime.serialization.batch_format import SCALARS
from daglite.runtime.serialization.by_value import LOCKS, globals_read
from daglite.runtime.serialization.pickler import Codec
from daglite.runtime.transport.frames import Segment
from daglite.runtime.transport.shared_memory import Arena


def pack_program(program: Program) -> bytes:
    """Pickle a program; raises `TransferError` for arguments that cannot be pickled."""
    codec = Codec("plan")
    body = codec.dumps(program)
    return pickle.dumps((codec.definitions, body))


def unpack_program(data: bytes) -> Program:
    """Return the program of `pack_program`."""
    definitions, body = cast("tuple[list[bytes], bytes]", pickle.loads(data))
    codec = Codec("plan")
    for definition in definitions:
        codec.add_definition(definition)
    return cast("Program", codec.loads(body))


_MAX_DEPTH = 8


def find_unpicklable(codec: Codec, value: object) -> str:
    """Return the path by names to what cannot be pickled, such as "self > connection"; "" for the value itself.

    Pickles one part after the other, so it is for a run that has failed already.
    """
    path: list[str] = []
    seen = {id(value)}
    while len(path) < _MAX_DEPTH:
        found = next(((name, part) for name, part in _parts(value) if not _is_picklable(codec, part, seen)), None)
        if found is None:
            break
        name, value = found
        seen.add(id(value))
        path.append(name)
    return " > ".join(path)


def _is_picklable(codec: Codec, part: object, seen: set[int]) -> bool:
    if type(part) in SCALARS or id(part) in seen:
        return True
    try:
        codec.dumps(part)
    except TransferError:
        return False
    except Exception:
        # Its own error has been raised already.
        return True
    return True


def _parts(value: object) -> Iterator[tuple[str, object]]:
    """Yield what is pickled with a value, with the names that it has there."""
    match value:
        case Function():
            # The record around the user's function is not named.
            yield from _parts(value.fn)
        case types.FunctionType():
            yield from _variables(value)
        case types.MethodType():
            yield "self", value.__self__
        case functools.partial():
            yield from ((f"argument {place}", one) for place, one in enumerate(value.args))
            yield from value.keywords.items()
            yield from _parts(value.func)
        case dict():
            yield from ((f"[{key!r}]", one) for key, one in value.items())
        case list() | tuple() | set() | frozenset():
            yield from ((f"[{place}]", one) for place, one in enumerate(value))
        case _:
            own = getattr(value, "__dict__", {})
            yield from (
                (name, one) for name, one in own.items() if type(one) not in LOCKS or not isinstance(value, type)
            )


def _variables(fn: types.FunctionType) -> Iterator[tuple[str, object]]:
    for name, cell in zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:
            # It has no value yet.
            continue
    # A lock among them is made again where they are loaded.
    yield from ((name, one) for name, one in globals_read(fn).items() if type(one) not in LOCKS)
    yield from (fn.__kwdefaults__ or {}).items()
    yield from ((f"default {place}", one) for place, one in enumerate(fn.__defaults__ or ()))


# A pickle, and how many buffers are beside it.
_Packed: TypeAlias = tuple[bytes, int]
# A step without its values, then its function, arguments and `starts`.
_Row: TypeAlias = tuple[BoundStep, _Packed, list[tuple[str, _Packed]], _Packed | None]

# More descriptors than this do not go with one message; the other buffers go through the socket.
_MAX_SHARED = 200


class PackedSteps:
    """A chain for all workers of a pool: its pickle, and blocks of shared memory with its large buffers.

    The descriptors of the blocks go with the pickle; a worker maps them at once and keeps none. Workers that start
    later get the same, so the blocks stay until they are closed.
    """

    def __init__(self, codec: Codec, steps: Sequence[BoundStep]) -> None:
        self._arena = Arena(most=sys.maxsize)
        buffers: list[Segment] = []
        try:
            body = pack_steps(codec, steps, buffers, self._arena)
            # None where there was too little memory, or no descriptor, for a block.
            blocks = [self._arena.block_of(buffer) for buffer in buffers]
            self.descriptors = [block.fd for block in blocks if block is not None][:_MAX_SHARED]
            shared = iter(self.descriptors)
            in_block = [block is not None and next(shared, None) is not None for block in blocks]
            sizes = [len(buffer) if inside else None for buffer, inside in zip(buffers, in_block, strict=True)]
            others = [buffer for buffer, inside in zip(buffers, in_block, strict=True) if not inside]
            self.segments: list[Segment] = [body, codec.dumps(sizes), *others]
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Release the blocks; what workers have mapped stays until they unmap it."""
        self._arena.close()


def load_shared_buffers(codec: Codec, segments: Sequence[Segment], descriptors: deque[int]) -> Iterator[Segment]:
    """Return the buffers of `PackedSteps`, in a worker; take its descriptors from the left, and close them."""
    sizes, others = cast("list[int | None]", codec.loads(segments[1])), iter(segments[2:])
    fds = [descriptors.popleft() for size in sizes if size is not None]
    try:
        own = iter(fds)
        # Private: what a task writes is not seen by other workers.
        found: list[Segment] = [
            next(others) if size is None else memoryview(mmap.mmap(next(own), size, access=mmap.ACCESS_COPY))
            for size in sizes
        ]
    finally:
        for fd in fds:
            os.close(fd)
    return iter(found)


def pack_steps(
    codec: Codec, steps: Sequence[BoundStep], buffers: list[Segment] | None = None, arena: Arena | None = None
) -> bytes:
    """Pickle a chain; raises `TransferError` naming the task and what of it cannot be pickled.

    With `buffers` and `arena`, large buffers are appended to the list, in blocks of the arena as far as possible.
    """

    def packed(value: object, what: str) -> _Packed:
        own: list[Segment] = []
        try:
            if buffers is None or arena is None:
                return codec.dumps(value), 0
            data = codec.dumps_with_buffers(value, own, arena)
            buffers.extend(own)
            return data, len(own)
        except TransferError as error:
            path = find_unpicklable(codec, value)
            raise TransferError(
                f"{what} cannot be sent to a worker: {error}{f', found at `{path}`' if path else ''}; make it in the "
                "task, or run with `runtime='threads'`, where nothing is pickled"
            ) from error

    rows: list[_Row] = []
    for step in steps:
        task = step.function.name
        function = packed(step.function, f"task '{task}'")
        arguments = [(name, packed(value, f"argument '{name}' of task '{task}'")) for name, value in step.arguments]
        starts = None if step.starts is None else packed(step.starts, f"`initial` or `empty` of task '{task}'")
        rows.append((replace(step, function=task, arguments=(), starts=None), function, arguments, starts))
    return codec.dumps(rows)


def unpack_steps(codec: Codec, body: Segment, buffers: Iterable[Segment] = ()) -> list[BoundStep]:
    """Return the steps of `pack_steps`; raises `TransferError` naming the task and what of it cannot be loaded."""
    rest = iter(buffers)

    def loaded(packed: _Packed, what: str) -> object:
        data, count = packed
        # Taken even if the value does not load: the next value needs its own.
        own = list(islice(rest, count))
        try:
            return codec.loads(data, own)
        except Exception as error:
            raise TransferError(f"{what} cannot be loaded in a worker: {type(error).__name__}: {error}") from error

    steps = []
    for bare, packed, arguments, starts in cast("list[_Row]", codec.loads(body)):
        # In place of the function there is its name.
        task = bare.function
        function = loaded(packed, f"task '{task}'")
        values = tuple([(name, loaded(one, f"argument '{name}' of task '{task}'")) for name, one in arguments])
        both = None if starts is None else loaded(starts, f"`initial` or `empty` of task '{task}'")
        steps.append(replace(bare, function=function, arguments=values, starts=both))
    return steps
