"""Key templates of saves: `parse_key` reads one, `render_key` fills it in, `check_key` says which keys are legal.

    template   "{path}/row_{iteration_index:04d}"     what the user writes at `.save()`
    key        "data.csv/row_0017"                    what the store is given, one per item

Keys of one save never repeat: each accepted format gives different indices different texts, never shorter ones for
larger indices. So two keys of equal text have the same index in each field, whatever is between the fields.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from string import Formatter
from typing import TypeAlias

from daglite.exceptions import DatasetError, ParameterError
from daglite.functions import suggest
from daglite.records import record

INDEX = "iteration_index"

_DIGITS = {"b": "01", "o": "01234567", "d": "0123456789", "x": "0123456789abcdef", "X": "0123456789ABCDEF"}
_INDEX_FORMAT = re.compile(r"(?:(.)?([<>=^]))?[-+ ]?(0?)[0-9]{0,3}([,_]?)([bdoxX]?)", re.DOTALL)
_FIELDS = "a field is a plain name such as '{path}' or '{path!r:>8}', and '{{' is a brace"
_INDEX_FORMATS = (
    "so that no two items share a key its format may have a sign, a width up to 999, ',' or '_', one of 'b d o x X', "
    "and a fill that cannot be read as one of its digits, such as '{iteration_index:05d}'"
)
# No NUL, nothing absolute, no drive, no '..' whichever slash is meant, no empty and no '.' part.
_ILLEGAL = re.compile(r"\0|\A[/\\]|\A[A-Za-z]:|(?:\A|[/\\])\.\.(?:[/\\]|\Z)|(?:\A|/)\.?(?:/|\Z)")
_LEGAL = "a key is a relative path such as 'rows/row_1', with no empty, '.' or '..' part, no drive and no NUL"
# The bounds of `may_write_same_key`: of its exact decision, and of indices that it must try one by one.
_LARGEST, _MIXED = 2**64 - 1, 300

# A position in a key: its label, and the characters that it may hold. A fixed character is its own label.
_Position: TypeAlias = tuple[str, str]


@record(eq=True)
class KeyField:
    """One field of a template; `conversion` is "r", "s", "a" or "", and `spec` a format without nested fields."""

    name: str
    conversion: str
    spec: str


@record(eq=True)
class KeyTemplate:
    """A template that `parse_key` accepted: its text, and the same text as literals and fields."""

    text: str
    parts: tuple[str | KeyField, ...]

    @property
    def names(self) -> frozenset[str]:
        """The names of its fields."""
        return frozenset(part.name for part in self.parts if isinstance(part, KeyField))

    @property
    def uses_index(self) -> bool:
        """Whether each item gets a key of its own."""
        return INDEX in self.names


def parse_key(text: str, *, known: Collection[str], indexed: bool, task: str) -> KeyTemplate:
    """Parse a key template; `known` are the parameters that it may name, `indexed` is True for a save of items.

    Raises `ParameterError` for values that are not texts, malformed templates, unknown names, formats of the index that
    could give two items the same key, and templates of which no key is legal.

    >>> parse_key("{path}/{iteration_index:03d}", known=["path"], indexed=True, task="rows").uses_index
    True
    """
    if not isinstance(text, str) or not text:
        raise ParameterError(f"`key` of task '{task}' must be a text such as 'row_{{{INDEX}}}'; got {text!r}")
    where = f"key {text!r} of task '{task}'"
    parts = _parts_of(text, where)
    for part in parts:
        if isinstance(part, KeyField):
            _check_field(part, where)
            _check_name(part.name, known, indexed, where)
            if part.name == INDEX and not _is_injective(part):
                raise ParameterError(f"{where} may give two items the same key; {_INDEX_FORMATS}")
    # With a digit in the place of each field, which never makes a legal key illegal.
    if _ILLEGAL.search("".join(part if isinstance(part, str) else "0" for part in parts)):
        raise ParameterError(f"{where} never gives a key that is allowed; {_LEGAL}")
    return KeyTemplate(text, tuple(parts))


def render_key(template: KeyTemplate, values: Mapping[str, object], index: int | None) -> str:
    """Return the key for these parameter values and the index of the item (from 0; None for a single value).

    Raises `DatasetError` when a value cannot be formatted, or the result is not a legal key.

    >>> render_key(parse_key("{n}_{iteration_index:02d}", known=["n"], indexed=True, task="t"), {"n": "a"}, 7)
    'a_07'
    """
    known = values if index is None else {**values, INDEX: index}
    try:
        key = template.text.format_map(known)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise DatasetError(
            f"key template {template.text!r} cannot be filled in: {reason}; change the format"
        ) from error
    if _ILLEGAL.search(key):
        raise DatasetError(f"key template {template.text!r} gives the key {key!r}, which is not allowed; {_LEGAL}")
    return key


def check_key(key: str) -> None:
    """Raise `DatasetError` unless `key` is legal: a relative path with '/' that cannot leave its store.

    A backslash is an ordinary character, but must not lead out of the store on systems where it is a separator.

    >>> check_key("rows/row_1")
    """
    if not isinstance(key, str) or _ILLEGAL.search(key):
        raise DatasetError(f"key {key!r} is not allowed; {_LEGAL}")


def may_write_same_key(
    a: KeyTemplate, a_values: Mapping[str, object], b: KeyTemplate, b_values: Mapping[str, object]
) -> bool:
    """Return whether two saves to one store write the same key for some pair of indices; the values are constants.

    True only when such a pair exists. False where a parameter has no value yet, because it could become any text, or
    cannot be formatted, because it writes no key. Whether the common key is legal does not matter: the run refuses it.

    The decision is exact for indices below 2**64, more than a stream can yield. For all indices with the same number of
    digits a template has one layout: some positions hold a fixed character, the others the first, second, ... digit.
    There are at most 64 layouts, and two layouts of equal length agree exactly when their positions can be filled
    consistently (`_agree`). A template with the index in two types (`{iteration_index}{iteration_index:x}`), whose
    digits depend on each other, is tried for its first 300 indices instead.

    >>> row = parse_key("row_{iteration_index}", known=[], indexed=True, task="rows")
    >>> may_write_same_key(row, {}, parse_key("row_12", known=[], indexed=False, task="sum"), {})
    True
    """
    left, right = _constant_parts(a, a_values), _constant_parts(b, b_values)
    if left is None or right is None:
        return False
    others = list(_layouts(right, "b"))
    return any(len(one) == len(other) and _agree(one, other) for one in _layouts(left, "a") for other in others)


def _parts_of(text: str, where: str) -> list[str | KeyField]:
    parts: list[str | KeyField] = []
    try:
        for literal, name, spec, conversion in Formatter().parse(text):
            parts += [literal] if literal else []
            parts += [] if name is None else [KeyField(name, conversion or "", spec or "")]
    except ValueError as error:
        raise ParameterError(f"{where} is malformed: {error}; {_FIELDS}") from None
    return parts


def _check_field(field: KeyField, where: str) -> None:
    if not field.name.isidentifier():
        raise ParameterError(f"{where} is malformed: '{{{field.name}}}' is not a plain name; {_FIELDS}")
    if "{" in field.spec or "}" in field.spec:
        raise ParameterError(f"{where} is malformed: the format of '{{{field.name}}}' has fields of its own; {_FIELDS}")
    if field.conversion not in ("", "r", "s", "a"):
        raise ParameterError(f"{where} is malformed: '!{field.conversion}' is none of '!r', '!s', '!a'; {_FIELDS}")


def _check_name(name: str, known: Collection[str], indexed: bool, where: str) -> None:
    if name == INDEX and name in known:
        raise ParameterError(f"{where} names '{INDEX}', but a parameter has that name too; rename the parameter")
    names = sorted({*known, INDEX} if indexed else known)
    if name in names:
        return
    shown = ", ".join(f"'{each}'" for each in names) or "none"
    hint = "; it exists only where items are saved" if name == INDEX else suggest(name, names)
    raise ParameterError(f"{where} names '{name}', which will not exist; known names: {shown}{hint}")


def _is_injective(field: KeyField) -> bool:
    """Return whether the format gives any two integers >= 0 different texts.

    It does when the fill differs from the digits: then stripping it leaves the digits (a sign is the same for all, a
    separator is between digits). Zeros are allowed as a fill before the digits, where they do not count.
    """
    if field.conversion:
        # After a conversion the format is one for texts: it may truncate, and '05' fills with zeros on the right.
        return not field.spec
    match = _INDEX_FORMAT.fullmatch(field.spec)
    if match is None:
        return False
    fill, align, zero, separator, kind = match.groups()
    if separator == "," and (kind or "d") != "d":
        return False
    # As in Python: '0' before the width is a fill only where none is given, and aligns only where nothing does.
    fill, align = fill or zero or " ", align or ("=" if zero else ">")
    return fill not in _DIGITS[kind or "d"] or (fill == "0" and align in ">=")


def _constant_parts(template: KeyTemplate, values: Mapping[str, object]) -> list[str | KeyField] | None:
    """Return the parts with every parameter filled in; None where a value is missing or cannot be formatted."""
    parts: list[str | KeyField] = []
    try:
        for part in template.parts:
            if isinstance(part, KeyField) and part.name != INDEX:
                parts.append(format(Formatter().convert_field(values[part.name], part.conversion or None), part.spec))
            else:
                parts.append(part)
    except Exception:  # no value yet, or the user's own `__format__` failed, which the run will report
        return None
    return parts


def _layouts(parts: list[str | KeyField], side: str) -> Iterator[list[_Position]]:
    """Yield the layouts of these parts, one for each number of digits; labels of digits begin with `side`."""
    kinds = {part.spec[-1:] if part.spec[-1:] in _DIGITS else "d" for part in parts if isinstance(part, KeyField)}
    if len(kinds) != 1:
        for index in range(_MIXED if kinds else 1):
            shown = (part if isinstance(part, str) else format(index, part.spec) for part in parts)
            yield [(letter, letter) for letter in "".join(shown)]
        return
    kind = kinds.pop()
    for length in range(1, len(format(_LARGEST, kind)) + 1):
        yield [place for part in parts for place in _positions(part, kind, length, side)]


def _positions(part: str | KeyField, kind: str, length: int, side: str) -> list[_Position]:
    """Return the positions of one part when the index has `length` digits."""
    if isinstance(part, str):
        return [(letter, letter) for letter in part]
    # All digits are 1 here: signs, separators and accepted fills are never '1', so every '1' is a digit.
    shown = format(int("1" * length, len(_DIGITS[kind])), part.spec)
    leading = _DIGITS[kind][1:] if length > 1 else _DIGITS[kind]
    digits = iter([(f"{side}0", leading), *((f"{side}{place}", _DIGITS[kind]) for place in range(1, length))])
    return [next(digits) if letter == "1" else (letter, letter) for letter in shown]


def _agree(left: list[_Position], right: list[_Position]) -> bool:
    """Return whether some choice of digits makes both layouts, of equal length, the same text.

    Both layouts must hold the same character at each position, so the choices of both are reduced to the common ones
    until nothing changes. Then positions that depend on each other have the same choices, and any of these fits.
    """
    choices: dict[str, set[str]] = {}
    settled = False
    while not settled:
        settled = True
        for (one, ones), (other, others) in zip(left, right, strict=True):
            mine, theirs = choices.setdefault(one, set(ones)), choices.setdefault(other, set(others))
            common = mine & theirs
            if not common:
                return False
            if common != mine or common != theirs:
                choices[one] = choices[other] = common
                settled = False
    return True
