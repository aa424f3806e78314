"""A worker of the smallest kind, for tests of what travels: it calls what it is sent and sends back what that gives."""

from __future__ import annotations

import contextlib
import os
import pickle
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import multiprocess

from daglite.runtime.serialization.batch_format import Unloadable
from daglite.runtime.serialization.exceptions import pack_error, unpack_error
from daglite.runtime.serialization.pickler import Codec


class Peer:
    """A child process to call functions in, as a coordinator would: with definitions ahead of the cells."""

    def __init__(self, method: str, codec: Codec) -> None:
        self.codec = codec
        self._told = 0
        context: Any = multiprocess.get_context(method)
        self._pipe, theirs = context.Pipe()
        with _empty_main():
            self._process = context.Process(target=serve, args=(theirs,))
            self._process.start()
        theirs.close()

    def call(self, function: Callable[..., Any], *arguments: object) -> Any:
        """What the function gives in the child; what it raises there is raised here."""
        codec = self.codec
        segments = codec.pack([codec.serialize(each) for each in (function, *arguments)])
        self._pipe.send_bytes(pickle.dumps((codec.definitions[self._told :], [bytes(one) for one in segments])))
        self._told = len(codec.definitions)
        definitions, failed, answer = pickle.loads(self._pipe.recv_bytes())
        for definition in definitions:
            codec.add_definition(definition)
        if failed:
            error, trace = unpack_error(codec, answer)
            error.add_note(trace)
            raise error
        (result,) = codec.unpack([bytearray(one) for one in answer])[0]
        return result

    def close(self) -> None:
        """End the child; a forked one holds a copy of our end, so closing that would not do."""
        self._pipe.send_bytes(b"")
        self._pipe.close()
        self._process.join()
        self._process.close()


@contextlib.contextmanager
def _empty_main() -> Iterator[None]:
    # The child is not to import the script again.
    main, sys.modules["__main__"] = sys.modules["__main__"], types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def serve(pipe: Any) -> None:
    """The child: call what arrives until there is nothing."""
    codec, told = Codec(f"w{os.getpid()}"), 0
    while message := pipe.recv_bytes():
        definitions, segments = pickle.loads(message)
        for definition in definitions:
            codec.add_definition(definition)
        failed, answer = _answer(codec, [bytearray(one) for one in segments])
        pipe.send_bytes(pickle.dumps((codec.definitions[told:], failed, answer)))
        told = len(codec.definitions)


def _answer(codec: Codec, segments: list[bytearray]) -> tuple[bool, Any]:
    try:
        function, *arguments = items = codec.unpack(segments)[0]
        for item in items:
            if isinstance(item, Unloadable):
                raise LookupError(item.reason)
        assert callable(function)
        return False, [bytes(one) for one in codec.pack([codec.serialize(function(*arguments))])]
    except BaseException as error:
        return True, pack_error(codec, error)
