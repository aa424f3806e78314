"""Values as short, stable text: without addresses, ids or the order of sets."""

from __future__ import annotations

from collections.abc import Iterable

_MOST_CHARACTERS = 40
_MOST_SHOWN = 3
# Longer integers would be cut, and Python refuses to convert very long ones.
_MOST_BITS = 512


def shorten(value: object, depth: int = 2) -> str:
    """Return a text of at most about 40 characters; a value without a stable text is shown by its type.

    >>> shorten("data.csv"), shorten([1, 2, 3, 4, 5]), shorten(object())
    ("'data.csv'", '[1, 2, 3, ... (5)]', '<object>')
    """
    if type(value) is int and value.bit_length() > _MOST_BITS:
        return f"<int of {value.bit_length()} bits>"
    if value is None or type(value) in (bool, int, float, complex, str, bytes, range):
        return _cut(repr(value))
    if isinstance(value, type) or callable(value):
        return f"<{getattr(value, '__name__', type(value).__name__)}>"
    if depth and type(value) in (list, tuple):
        return _several(value, "[]" if type(value) is list else "()", depth)  # type: ignore[arg-type]
    if depth and type(value) is dict:
        pairs = [
            f"{shorten(key, depth - 1)}: {shorten(one, depth - 1)}" for key, one in list(value.items())[:_MOST_SHOWN]
        ]
        return _wrapped(pairs, len(value), "{}")
    if isinstance(value, list | tuple | dict | set | frozenset):
        return f"<{type(value).__name__} of {len(value)}>"
    return f"<{type(value).__name__}>"


def counted(count: int, one: str, more: str = "") -> str:
    """Return a number with its noun; `more` is the plural where that is not formed with an s.

    >>> counted(1, "item"), counted(1200, "item"), counted(2, "batch", "batches")
    ('1 item', '1,200 items', '2 batches')
    """
    return f"{count:,} {one if count == 1 else more or f'{one}s'}"


def _several(values: list[object] | tuple[object, ...], brackets: str, depth: int) -> str:
    return _wrapped([shorten(one, depth - 1) for one in values[:_MOST_SHOWN]], len(values), brackets)


def _wrapped(shown: Iterable[str], total: int, brackets: str) -> str:
    parts = list(shown)
    if total > len(parts):
        parts.append(f"... ({total})")
    return _cut(f"{brackets[0]}{', '.join(parts)}{brackets[1]}")


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 4].rstrip(' .,')}...{text[-1]}"
