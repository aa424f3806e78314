"""Cells as a table of text: aligned columns, folded to 80 characters when they would be much wider."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

# What is wider than MOST is folded to WIDTH. The first line of a plan is about as wide as MOST, and a table that is a
# little too wide for a narrow window is easier to read than a folded one.
WIDTH = 80
MOST = 90

_GAP = 2
_INDENT = 2
# No column is folded to less.
_NARROW = 8
# How many lines of a table are looked at to find the widths that fold it best.
_SAMPLE = 200
# What folding a cell costs beside the line it takes, in each of the three columns.
_DEAR = (0.5, 0.3, 0.1)


class TableLine(NamedTuple):
    """One line of a table: the left columns as one text, then the columns that may be folded."""

    left: str
    call: str
    type: str
    limits: str


def columns(lines: Sequence[TableLine | str]) -> Iterator[str]:
    """The lines aligned, in as few lines of text as can be; one that has no cells is left as it is."""
    table = [line for line in lines if isinstance(line, TableLine)]
    texts = [(line.call, line.type, line.limits) for line in table]
    left = max(len(line.left) for line in table) + _GAP
    widths = [max(len(text[column]) for text in texts) for column in range(3)]
    if left + sum(widths) + 2 * _GAP > MOST:
        widths = _best(texts[:_SAMPLE], widths, WIDTH - left - 2 * _GAP)
    for line in lines:
        if isinstance(line, str):
            yield line
            continue
        folded = [wrapped(cell, width) for cell, width in zip(line[1:], widths, strict=True)]
        for number, parts in enumerate(itertools.zip_longest(*folded, fillvalue="")):
            cells = "  ".join(f"{part:{width}}" for part, width in zip(parts, widths, strict=True))
            yield f"{'' if number else line.left:{left}}{cells}".rstrip()


def wrapped(text: str, width: int, indent: int = _INDENT) -> list[str]:
    """The text in lines of at most `width`, broken where it reads best, all but the first one indented.

    The first word is never cut: it is what a reader looks for.
    """
    return _wrapped(text, width, indent)[0]


def _wrapped(text: str, width: int, indent: int = _INDENT) -> tuple[list[str], int]:
    """The lines, and how many of them begin in the middle of what belongs together."""
    if len(text) <= width:
        return [text], 0
    lines, broken = [""], 0
    for word in _outer(text):
        whole = len(word.rstrip()) <= width - indent or _fits(lines[-1], word, width)
        for piece, price in [(word, 0)] if whole else _cut(word, width - indent, first=lines == [""]):
            if lines == [""] or _fits(lines[-1], piece, width):
                lines[-1] += piece
            else:
                lines.append(" " * indent + piece)
                broken += price
    return [line.rstrip() for line in lines], broken


def _fits(line: str, word: str, width: int) -> bool:
    return len(line) + len(word.rstrip()) <= width


def _outer(text: str) -> list[str]:
    """The text in pieces that belong together: arguments, limits, parts of a chain, whatever stands inside brackets."""
    words, depth, start, called = list[str](), 0, 0, False
    for end, letter in enumerate(text, 1):
        opens = letter in "([{"
        depth += opens - (letter in ")]}")
        between = text[max(0, end - 2) : end] in (", ", "; ", "> ") and depth <= called and text[:end] != "-> "
        if between or (letter == "(" and depth == 1 and not called):
            words.append(text[start:end])
            start = end
        called = called or (letter == "(" and depth == 1)
    return [*words, text[start:]] if start < len(text) else words


def _inner(word: str) -> list[str]:
    """A piece that is too long, in smaller ones."""
    return re.findall(r".+?(?:[,|/] ?|\[(?=.{12})|$)", word)


def _cut(word: str, width: int, *, first: bool) -> Iterator[tuple[str, int]]:
    """The pieces of a word that is too long, with the price of a line that begins with one.

    Where a piece has no place to break it is broken between its words, if these are short enough, or anywhere: that is
    dear.
    """
    for piece in _inner(word):
        if len(piece.rstrip()) <= width or first:
            yield piece, 1
        else:
            yield from ((part, 20) for part in _broken(piece, width))
        first = False


def _broken(piece: str, width: int) -> list[str]:
    words = re.findall(r"\s*\S+\s*", piece)
    if any(len(word.rstrip()) > width for word in words):
        return [piece[start : start + width] for start in range(0, len(piece), width)]
    parts = [""]
    for word in words:
        if _fits(parts[-1], word, width):
            parts[-1] += word
        else:
            parts.append(word)
    return parts


def _best(texts: Sequence[tuple[str, str, str]], natural: Sequence[int], room: int) -> list[int]:
    """Widths for the three columns that together take `room` and fold the lines least."""
    found: list[dict[int, list[tuple[int, int]]]] = [{}, {}, {}]

    def price(column: int, width: int) -> list[tuple[int, int]]:
        known = found[column]
        if width not in known:
            known[width] = [_price(text[column], width) for text in texts]
        return known[width]

    least = [
        min(widest, max(_NARROW, *map(_first_word, column)))
        for widest, column in zip(natural, zip(*texts, strict=True), strict=True)
    ]
    best: tuple[float, list[int]] | None = None
    for type_ in range(least[1], natural[1] + 1):
        for limits in range(least[2], natural[2] + 1):
            call = min(room - type_ - limits, natural[0])
            if call < least[0]:
                break
            prices = price(0, call), price(1, type_), price(2, limits)
            # What a reader looks for first is folded last: the call, then the type, then the limits.
            tall = sum(max(a[0], b[0], c[0]) for a, b, c in zip(*prices, strict=True))
            cost = tall + sum(weight * sum(map(sum, one)) for weight, one in zip(_DEAR, prices, strict=True))
            if best is None or cost < best[0]:
                best = (cost, [call, type_, limits])
    return best[1] if best else least


def _price(text: str, width: int) -> tuple[int, int]:
    """The lines that folding adds, and how many of them begin in the middle of something."""
    lines, broken = _wrapped(text, width)
    return len(lines) - 1, broken


def _first_word(text: str) -> int:
    """How wide the column must be for the first word of a cell."""
    word = _outer(text)[:1]
    return len(_inner(word[0])[0].rstrip()) if word and word[0] else 0
