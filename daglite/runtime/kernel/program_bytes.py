"""Programs on the wire: the steps of a chain, each function and each argument pickled by itself.

A function that must go by value takes the slow road alone; a large list beside it goes by plain pickle. Large buffers,
such as those of arrays, may lie beside the pickle in blocks of shared memory, which all workers of a pool look at.

Programs as bytes: what pickling a plan gives. Functions go as they go to workers: by name, or by value.

Where in a function or a value the thing is that cannot be pickled: the variable, attribute or element to change.
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
from daglite.runtime.kernel.steps import BoundStep
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
    """The program of `pack_program`."""
    definitions, body = cast("tuple[list[bytes], bytes]", pickle.loads(data))
    codec = Codec("plan")
    for definition in definitions:
        codec.add_definition(definition)
    return cast("Program", codec.loads(body))


_DEEPEST = 8


def find_unpicklable(codec: Codec, value: object) -> str:
    """The way to it by names, such as "self > connection"; "" where it is the value itself, or nobody can tell.

    Pickles one part after the other, so it is for a run that has failed already.
    """
    way: list[str] = []
    seen = {id(value)}
    while len(way) < _DEEPEST:
        found = next(((name, part) for name, part in _parts(value) if not _goes(codec, part, seen)), None)
        if found is None:
            break
        name, value = found
        seen.add(id(value))
        way.append(name)
    return " > ".join(way)


def _goes(codec: Codec, part: object, seen: set[int]) -> bool:
    if type(part) in SCALARS or id(part) in seen:
        return True
    try:
        codec.dumps(part)
    except TransferError:
        return False
    except Exception:
        # Something else is wrong with it, and has been told.
        return True
    return True


def _parts(value: object) -> Iterator[tuple[str, object]]:
    """What a value takes along when it travels, with the names that its owner knows it by."""
    match value:
        case Function():
            # The record around the user's function has no name of its own.
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
    # A lock among them is made anew where they go.
    yield from ((name, one) for name, one in globals_read(fn).items() if type(one) not in LOCKS)
    yield from (fn.__kwdefaults__ or {}).items()
    yield from ((f"default {place}", one) for place, one in enumerate(fn.__defaults__ or ()))


# A pickle, and how many buffers lie beside it.
_Packed: TypeAlias = tuple[bytes, int]
# Number, name, function, arguments, then `_Kind`: items, filters, tapped, starts, clocked, limit, and the others.
_Kind: TypeAlias = tuple[tuple[str, ...], bool, bool, _Packed | None, bool, int | None, tuple[bool, int, int]]
_Row: TypeAlias = tuple[int, str, _Packed, list[tuple[str, _Packed]], _Kind]

# More descriptors than this do not go with one message; what has none goes through the socket.
_MOST_SHARED = 200


class PackedSteps:
    """A chain for all workers of a pool: its pickle, and the blocks in which its large buffers lie.

    The descriptors of the blocks go with the pickle; a worker maps them at once and keeps none. Workers that come later
    get the same, so the blocks stay until they are closed.
    """

    def __init__(self, codec: Codec, steps: Sequence[BoundStep]) -> None:
        self._arena = Arena(most=sys.maxsize)
        buffers: list[Segment] = []
        try:
            body = pack_steps(codec, steps, buffers, self._arena)
            blocks = [self._arena.block_of(buffer) for buffer in buffers]
            # Where there is too little memory, or no descriptor, for a block.
            self.descriptors = [block.fd for block in blocks if block is not None][:_MOST_SHARED]
            shared = iter(self.descriptors)
            lies = [block is not None and next(shared, None) is not None for block in blocks]
            sizes = [len(one) if there else None for one, there in zip(buffers, lies, strict=True)]
            beside = [one for one, there in zip(buffers, lies, strict=True) if not there]
            self.segments: list[Segment] = [body, codec.dumps(sizes), *beside]
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give the blocks back; what workers look at lives as long as that."""
        self._arena.close()


def load_shared_buffers(codec: Codec, segments: Sequence[Segment], descriptors: deque[int]) -> Iterator[Segment]:
    """The buffers of `PackedSteps`, in a worker: of the descriptors its own are taken, and closed."""
    sizes, beside = cast("list[int | None]", codec.loads(segments[1])), iter(segments[2:])
    fds = [descriptors.popleft() for size in sizes if size is not None]
    try:
        mine = iter(fds)
        # What a task writes stays its own.
        found: list[Segment] = [
            next(beside) if size is None else memoryview(mmap.mmap(next(mine), size, access=mmap.ACCESS_COPY))
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

    Large buffers go to `buffers` if there is such a list, those that can in blocks of `arena`.
    """

    def packed(value: object, what: str) -> _Packed:
        before = 0 if buffers is None else len(buffers)
        try:
            data = (
                codec.dumps(value)
                if buffers is None or arena is None
                else codec.dumps_with_buffers(value, buffers, arena)
            )
        except TransferError as error:
            where = find_unpicklable(codec, value)
            raise TransferError(
                f"{what} cannot be sent to a worker: {error}{f', found at `{where}`' if where else ''}; make it in the "
                "task, or run with `runtime='threads'`, where nothing is pickled"
            ) from error
        return data, 0 if buffers is None else len(buffers) - before

    rows: list[_Row] = []
    for step in steps:
        task = step.function.name
        function = packed(step.function, f"task '{task}'")
        arguments = [(name, packed(value, f"argument '{name}' of task '{task}'")) for name, value in step.arguments]
        starts = None if step.starts is None else packed(step.starts, f"`initial` or `empty` of task '{task}'")
        kind = (step.items, step.filters, step.tapped, starts, step.timed, step.limit, _others(step))
        rows.append((step.number, task, function, arguments, kind))
    return codec.dumps(rows)


def unpack_steps(codec: Codec, body: Segment, buffers: Iterable[Segment] = ()) -> list[BoundStep]:
    """Rebuild a chain; raises `TransferError` naming the task and what of it cannot be loaded here."""
    beside = iter(buffers)

    def loaded(packed: _Packed, what: str) -> object:
        data, count = packed
        # Taken even if it does not load: the next value needs its own.
        own = list(islice(beside, count))
        try:
            return codec.loads(data, own)
        except Exception as error:
            raise TransferError(f"{what} cannot be loaded in a worker: {type(error).__name__}: {error}") from error

    steps = []
    for number, task, packed, arguments, kind in cast("list[_Row]", codec.loads(body)):
        items, filters, tapped, both, clocked, limit, others = kind
        function = cast("Function", loaded(packed, f"task '{task}'"))
        values = tuple((name, loaded(one, f"argument '{name}' of task '{task}'")) for name, one in arguments)
        starts = None
        if both is not None:
            starts = cast("tuple[object, object]", loaded(both, f"`initial` or `empty` of task '{task}'"))
        steps.append(BoundStep(number, function, values, items, filters, tapped, starts, clocked, limit, *others))
    return steps


def _others(step: BoundStep) -> tuple[bool, int, int]:
    return step.spreads, step.seed, step.step_id
