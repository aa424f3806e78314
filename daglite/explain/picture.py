"""A plan as a drawing: SVG in a self-contained piece of HTML, readable on light and dark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import get_args

from daglite.explain.columns import wrapped
from daglite.explain.fold import Line, RowGap, folded
from daglite.explain.graph import Arrow, arrows
from daglite.explain.table import Table, in_flight_text
from daglite.program import Place

# Colours: that of the surrounding text, and two hues that show on white and on black.
STYLE = """\
.daglite-plan { font: 14px/1.4 system-ui, sans-serif; max-width: 100%; overflow-x: auto; }
.daglite-plan p { margin: 0 0 .5em; }
.daglite-plan svg { display: block; max-width: 100%; height: auto; }
.daglite-plan text { font: 12px ui-monospace, Menlo, Consolas, monospace; fill: currentColor; }
.daglite-plan text.small { font-size: 11px; opacity: .75; }
.daglite-plan rect { fill: currentColor; fill-opacity: .04; stroke-width: 1.5; }
.daglite-plan rect.stage { fill: none; stroke: currentColor; stroke-opacity: .35; stroke-dasharray: 4 4; }
.daglite-plan .coordinator { stroke: #c2780c; }
.daglite-plan .workers { stroke: #4a86e8; }
.daglite-plan .gap { stroke: none; }
.daglite-plan path { fill: none; stroke: currentColor; stroke-opacity: .6; stroke-width: 1.5; }
.daglite-plan path.value { stroke-dasharray: 3 3; }
.daglite-plan path.tip { fill: currentColor; fill-opacity: .6; stroke: none; }"""

# In pixels. The upper bound of the width of a letter of a monospaced font of 12 pixels.
_LETTER = 7.3
_LINE = 16
_PAD = 8
_BOX = 330
_LANE = 420
_LEFT = 64
_GAP = 30
_TOP = 26
_LETTERS = int((_BOX - 2 * _PAD) / _LETTER)


class _Box:
    """The position of a line in the drawing, and its text."""

    def __init__(self, line: Line, top: float, lanes: Sequence[Place]) -> None:
        self.line = line
        self.lane = 0 if isinstance(line, RowGap) else lanes.index(line.where)
        self.left = _LEFT + self.lane * _LANE
        self.top = top
        self.texts = [*_texts(line)]
        self.height = len(self.texts) * _LINE + _PAD * 1.5

    @property
    def bottom(self) -> float:
        return self.top + self.height

    @property
    def middle(self) -> float:
        return self.left + _BOX / 2


def picture(table: Table) -> str:
    """Return the drawing below a line of text: data flows down, in a lane for the coordinator and one for workers."""
    program = table.program
    kind = "optimised" if program.optimised else "not optimised"
    head = f"<b>{escape(program.title)}</b> · {kind} · in flight ≤ {escape(in_flight_text(program.limits))}"
    return "\n".join([f'<div class="daglite-plan"><style>{STYLE}</style>', f"<p>{head}</p>", _svg(table), "</div>"])


def _svg(table: Table) -> str:
    lines = folded(table.rows)
    used = {line.where for line in lines if not isinstance(line, RowGap)}
    lanes = [place for place in get_args(Place) if place in used]
    boxes = list[_Box]()
    for line in lines:
        boxes.append(_Box(line, boxes[-1].bottom + _GAP if boxes else _TOP + _PAD, lanes))
    width, height = _LEFT + (len(lanes) - 1) * _LANE + _BOX + 2 * _PAD, boxes[-1].bottom + 2 * _PAD
    parts = [
        f'<svg viewBox="0 0 {width} {height:g}" width="{width}" role="img">',
        f"<title>{escape(table.program.title)}</title>",
        *(
            _text(_LEFT + lane * _LANE + _BOX / 2, _TOP - 10, place, 'class="small" text-anchor="middle"')
            for lane, place in enumerate(lanes)
        ),
        *_stages(boxes),
        *(part for number, arrow in enumerate(arrows(table.rows, lines)) for part in _arrow(arrow, boxes, number)),
        *(part for box in boxes for part in _drawn(box)),
        "</svg>",
    ]
    return "\n".join(parts)


def _texts(line: Line) -> Iterator[tuple[str, str]]:
    """Yield the lines of text in a box, each with its class."""
    if isinstance(line, RowGap):
        yield f"... {line.text}", "small"
        return
    yield from ((text, "") for text in wrapped(f"{line.shown_number} {line.call}", _LETTERS))
    details = " · ".join(part for part in (line.type, ", ".join(line.remarks)) if part)
    yield from ((text, "small") for text in wrapped(details, _LETTERS))


def _drawn(box: _Box) -> Iterator[str]:
    kind = "gap" if isinstance(box.line, RowGap) else box.line.where
    yield f'<rect class="{kind}" x="{box.left}" y="{box.top:g}" width="{_BOX}" height="{box.height:g}" rx="6"/>'
    for number, (text, style) in enumerate(box.texts, 1):
        yield _text(box.left + _PAD, box.top + number * _LINE, text, f'class="{style}"' if style else "")


def _stages(boxes: Sequence[_Box]) -> Iterator[str]:
    """Yield a frame around the steps of each stage."""
    start = 0
    for end in range(1, len(boxes) + 1):
        if end < len(boxes) and boxes[end].line.stage == boxes[start].line.stage is not None:
            continue
        if end - start > 1:
            members = boxes[start:end]
            left, right = min(box.left for box in members), max(box.left for box in members) + _BOX
            top, height = members[0].top - _PAD, members[-1].bottom - members[0].top + 2 * _PAD
            yield (
                f'<rect class="stage" x="{left - _PAD}" y="{top:g}" '
                f'width="{right - left + 2 * _PAD}" height="{height:g}" rx="10"/>'
            )
        start = end


def _arrow(arrow: Arrow, boxes: Sequence[_Box], number: int) -> Iterator[str]:
    """Yield an arrow: straight down to the next box, or beside the lanes past other boxes; never through a box."""
    start, end = boxes[arrow.start], boxes[arrow.end]
    if arrow.end == arrow.start + 1:
        half = (start.bottom + end.top) / 2
        points = f"M{start.middle} {start.bottom:g}V{half:g}H{end.middle}V{end.top:g}"
        tip = f"M{end.middle} {end.top:g}l-5 -8h10z"
        label = (min(start.middle, end.middle) + _PAD, half - 4 if start.lane != end.lane else half + 4, "start")
    else:
        # Arrows beside the lanes run in parallel.
        out = (_LEFT + _BOX if start.lane or end.lane else 0) + 18 + 7 * (number % 5)
        first, last = start.top + start.height / 2, end.top + 10 + 8 * (number % 3)
        points = f"M{_side(start, out)} {first:g}H{out}V{last:g}H{_side(end, out)}"
        back = -8 if out < end.left else 8
        tip = f"M{_side(end, out)} {last:g}l{back} -5v10z"
        label = (_side(end, out) + 1.5 * back, last - 4, "end" if back < 0 else "start")
    style = "" if arrow.joins else ' class="value"'
    yield f'<path{style} d="{points}"/><path class="tip" d="{tip}"/>'
    yield _text(label[0], label[1], arrow.label, f'class="small" text-anchor="{label[2]}"')


def _side(box: _Box, x: float) -> float:
    """Return the side of a box that is nearer to `x`."""
    return box.left if x < box.left else box.left + _BOX


def _text(x: float, y: float, text: str, attributes: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" xml:space="preserve" {attributes}>{escape(text)}</text>'
