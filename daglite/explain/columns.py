"""Cells as a table of text: aligned columns, folded to 80 characters when they would be much wider."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

# A table wider than MOST is folded to WIDTH. The first line of a plan is about as wide as MOST, and a table that is a
# little too wide for a narrow window is easier to read than a folded one.
WIDTH = 80
MOST = 90

_GAP = 2
_INDENT = 2
# The smallest width to which a column is folded.
_NARROW = 8
# The number of lines that are tried to find the best widths.
_SAMPLE = 200
# The cost of folding a cell of each of the three columns, beside the line that it adds.
_FOLD_COST = (0.5, 0.3, 0.1)


class TableLine(NamedTuple):
    """One line of a table: the left columns as one text, then the three columns that may be folded."""

    left: str
    call: str
    type: str
    limits: str


class _FoldedText(NamedTuple):
    """The lines of a folded text, and a penalty for the lines that begin inside an argument or a word."""

    lines: list[str]
    penalty: int


def columns(lines: Sequence[TableLine | str]) -> Iterator[str]:
    """Yield the lines aligned, in as few lines of text as possible; a plain text is yielded unchanged."""
    table = [line for line in lines if isinstance(line, TableLine)]
    texts = [(line.call, line.type, line.limits) for line in table]
    left = max(len(line.left) for line in table)
    widths = [max(len(text[column]) for text in texts) for column in range(3)]
    if left + sum(widths) + 3 * _GAP > MOST:
        widths = _best_widths(texts[:_SAMPLE], widths, WIDTH - left - 3 * _GAP)
    for line in lines:
        if isinstance(line, str):
            yield line
        else:
            yield from aligned(line, [left, *widths])


def aligned(
    cells: Sequence[str], widths: Sequence[int], *, gap: int = _GAP, right: Collection[int] = ()
) -> Iterator[str]:
    """Yield the text of one row: each cell folded to the width of its column, in columns of `right` flush right."""
    folded = [wrapped(cell, width) for cell, width in zip(cells, widths, strict=True)]
    for parts in itertools.zip_longest(*folded, fillvalue=""):
        padded = [
            f"{part:>{width}}" if column in right else f"{part:{width}}"
            for column, (part, width) in enumerate(zip(parts, widths, strict=True))
        ]
        yield (" " * gap).join(padded).rstrip()


def wrapped(text: str, width: int, indent: int = _INDENT) -> list[str]:
    """Return the text in lines of at most `width`, broken where it reads best, all but the first one indented.

    The first word is never broken, because readers search for it.
    """
    return _fold(text, width, indent).lines


def _fold(text: str, width: int, indent: int = _INDENT) -> _FoldedText:
    if len(text) <= width:
        return _FoldedText([text], 0)
    lines, penalty = [""], 0
    for word in _words(text):
        whole = len(word.rstrip()) <= width - indent or _fits(lines[-1], word, width)
        for piece, cost in [(word, 0)] if whole else _pieces(word, width - indent, first=lines == [""]):
            if lines == [""] or _fits(lines[-1], piece, width):
                lines[-1] += piece
            else:
                lines.append(" " * indent + piece)
                penalty += cost
    return _FoldedText([line.rstrip() for line in lines], penalty)


def _fits(line: str, word: str, width: int) -> bool:
    return len(line) + len(word.rstrip()) <= width


def _words(text: str) -> list[str]:
    """Return the text in parts that belong together: arguments, limits, links of a chain, the content of brackets."""
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


def _smaller(word: str) -> list[str]:
    """Return a word that is too long in smaller parts."""
    return re.findall(r".+?(?:[,|/] ?|\[(?=.{12})|$)", word)


def _pieces(word: str, width: int, *, first: bool) -> Iterator[tuple[str, int]]:
    """Yield the parts of a word that is too long, each with the cost of a line that begins with it.

    A part that is still too long is broken between its words or, at a high cost, anywhere.
    """
    for piece in _smaller(word):
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


def _best_widths(texts: Sequence[tuple[str, str, str]], natural: Sequence[int], room: int) -> list[int]:
    """Return widths of the three columns that fit into `room` and fold the lines least."""
    known: list[dict[int, list[tuple[int, int]]]] = [{}, {}, {}]

    def costs(column: int, width: int) -> list[tuple[int, int]]:
        """Return for each cell the lines that folding adds, and its penalty."""
        if width not in known[column]:
            folded = [_fold(text[column], width) for text in texts]
            known[column][width] = [(len(each.lines) - 1, each.penalty) for each in folded]
        return known[column][width]

    least = [
        min(widest, max(_NARROW, *map(_first_width, column)))
        for widest, column in zip(natural, zip(*texts, strict=True), strict=True)
    ]
    best: tuple[float, list[int]] | None = None
    for type_ in range(least[1], natural[1] + 1):
        for limits in range(least[2], natural[2] + 1):
            call = min(room - type_ - limits, natural[0])
            if call < least[0]:
                break
            cells = costs(0, call), costs(1, type_), costs(2, limits)
            added = sum(max(a[0], b[0], c[0]) for a, b, c in zip(*cells, strict=True))
            # The call is folded last, because readers search for it; then the type, then the limits.
            cost = added + sum(weight * sum(map(sum, each)) for weight, each in zip(_FOLD_COST, cells, strict=True))
            if best is None or cost < best[0]:
                best = (cost, [call, type_, limits])
    return best[1] if best else least


def _first_width(text: str) -> int:
    """Return the width that a column needs for the first word of a cell."""
    word = _words(text)[:1]
    return len(_smaller(word[0])[0].rstrip()) if word and word[0] else 0
