"""The parts of a value: a label, and the values that it consists of, one level at a time.

parts      `ValuePart`, `UnstableValue`, leaves          code       functions and their bytecode
objects    every other kind of value           graph      parts of parts, up to one digest
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from types import NoneType
from typing import Any

from daglite.records import record


class UnstableValue(Exception):
    """A value has no stable token; the text is the reason."""


@record
class ValuePart:
    """One value, split into its parts.

    `label` has everything but the content of `children`. `places` name the first children in messages ("" for one
    without a name there). With `unordered` n, each n children belong together, and the groups have no order. `noun` is
    the name of the value in messages, for kinds that have one.
    """

    label: bytes
    children: Sequence[object] = ()
    places: Sequence[str] = ()
    unordered: int = 0
    noun: str = ""

    def place(self, position: int) -> str:
        """Return the name of the child at `position` in messages."""
        if position < len(self.places):
            return self.places[position]
        if self.unordered == 2:
            key = self.children[position - 1] if position % 2 else None
            return f"entry '{key}'" if isinstance(key, str) else "an entry"
        return "an item" if self.unordered else f"item {position - len(self.places)}"


def pack(*fields: str | int | bytes) -> bytes:
    """Return fields as bytes, different for different fields.

    >>> pack("ab", "c") == pack("a", "bc")
    False
    """
    encoded = [field if isinstance(field, bytes) else str(field).encode("utf-8", "surrogatepass") for field in fields]
    return b"".join(b"%d:%b" % (len(field), field) for field in encoded)


def type_name(cls: type) -> str:
    """Return the name of a class for messages, with its module unless that is `builtins`."""
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def raised(error: Exception) -> str:
    """Return an exception as the end of a sentence.

    >>> raised(KeyError("a"))
    "raised KeyError: 'a'"
    """
    return f"raised {type_name(type(error))}: {error}"


def leaf(value: object) -> bytes | None:
    """Return the digest of a plain value without parts; None for every other value."""
    write = _LEAVES.get(type(value))
    return None if write is None else sha256(b"%b %b" % (type(value).__name__.encode(), write(value))).digest()


# By exact type: an instance of a subclass is an object. `hex` is exact, and the same for every nan.
_LEAVES: dict[type, Callable[[Any], bytes]] = {
    NoneType: lambda value: b"",
    bool: lambda value: b"%d" % value,
    int: lambda value: b"%x" % value,
    float: lambda value: value.hex().encode(),
    complex: lambda value: f"{value.real.hex()} {value.imag.hex()}".encode(),
    str: lambda value: value.encode("utf-8", "surrogatepass"),
    bytes: bytes,
    bytearray: bytes,
}
