"""Small charts as inline SVG: they need no script, scale with the page and follow its light or dark colours.

Colours are the classes s0, s1, … of the page's style; a point says its numbers when the pointer rests on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape

_WIDTH, _HEIGHT = 440, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 10, 40
_NOTHING = 0.4  # where a log axis shows 0


@dataclass(frozen=True)
class Axis:
    """One axis; a log axis shows 0 left of 1, one of whole numbers has no ticks between them."""

    label: str
    low: float
    high: float
    log: bool = False
    whole: bool = False

    def places(self, values: np.ndarray) -> np.ndarray:
        """Where values lie, 0 at the axis' start, 1 at its end."""
        low, high = self.low, self.high
        if self.log:
            values, low, high = np.log(np.maximum(values, _NOTHING)), np.log(_NOTHING), np.log(high)
        return (np.asarray(values, dtype=np.float64) - low) / (high - low)

    def ticks(self) -> list[tuple[float, str]]:
        """(value, text) of the grid lines."""
        if self.log:
            return [(0.0, "0"), *((10.0**k, _short(10**k)) for k in range(int(np.log10(self.high)) + 1))]
        step = 10.0 ** np.floor(np.log10((self.high - self.low) / 4))
        step *= next(factor for factor in (1, 2, 5, 10) if (self.high - self.low) / (step * factor) <= 5)
        step = max(step, 1.0) if self.whole else step
        first, last = int(np.ceil(self.low / step - 1e-9)), int(np.floor(self.high / step + 1e-9))
        return [(number * step, f"{number * step:.6g}") for number in range(first, last + 1)]


def axis(label: str, *values: Sequence[float] | np.ndarray, whole: bool = False) -> Axis:
    """A linear axis with room for all finite values."""
    joined = np.concatenate([np.asarray(part, dtype=np.float64) for part in values] or [np.zeros(0)])
    joined = joined[np.isfinite(joined)]
    low, high = (float(joined.min()), float(joined.max())) if len(joined) else (0.0, 1.0)
    room = 0.04 * (high - low) or abs(high) * 0.1 or 0.1
    return Axis(label, low - room, high + room, whole=whole)


@dataclass(frozen=True)
class Marks:
    """What one series shows.

    x, y: values of equal length, not finite where nothing was measured; colour: number of the colour; label: what a
    point says first, "" for points that say nothing (many thousands of them); line, dashed: how they are joined.
    """

    x: Sequence[float] | np.ndarray
    y: Sequence[float] | np.ndarray
    colour: int
    label: str = ""
    line: bool = True
    dashed: bool = False


def chart(title: str, x: Axis, y: Axis, marks: Sequence[Marks], diagonal: bool = False) -> Markup:
    """A chart; title: what a screen reader says; diagonal: the line on which both axes say the same."""
    parts = [_grid(x, y)]
    if diagonal:
        parts.append(Markup('<path class="diagonal" d="{}"/>').format(_path(_place(_both(x, y), _both(x, y), x, y))))
    parts += [_series(each, x, y) for each in marks]
    return Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        _WIDTH, _HEIGHT, title, Markup("").join(parts)
    )


def _both(x: Axis, y: Axis) -> np.ndarray:
    return np.array([max(x.low, y.low), min(x.high, y.high)])


def _grid(x: Axis, y: Axis) -> Markup:
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    parts = []
    for value, text in y.ticks():
        level = bottom - float(y.places(np.array([value]))[0]) * (bottom - _TOP)
        parts.append(f'<path class="grid" d="M{_LEFT} {level:.1f}H{right}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{level + 4:.1f}" text-anchor="end">{text}</text>')
    for value, text in x.ticks():
        place = _LEFT + float(x.places(np.array([value]))[0]) * (right - _LEFT)
        parts.append(f'<path class="grid" d="M{place:.1f} {_TOP}V{bottom}"/>')
        parts.append(f'<text x="{place:.1f}" y="{bottom + 16}" text-anchor="middle">{text}</text>')
    parts.append(f'<text x="{(_LEFT + right) / 2}" y="{_HEIGHT - 6}" text-anchor="middle">{escape(x.label)}</text>')
    middle = (_TOP + bottom) / 2
    turned = f'x="12" y="{middle}" transform="rotate(-90 12 {middle})"'
    parts.append(f'<text {turned} text-anchor="middle">{escape(y.label)}</text>')
    return Markup("".join(parts))


def _place(xs: np.ndarray, ys: np.ndarray, x: Axis, y: Axis) -> np.ndarray:
    """(points, 2) in the chart's units, rounded to a half: points that fall on one another need be drawn once."""
    across = _LEFT + x.places(xs) * (_WIDTH - _RIGHT - _LEFT)
    down = _HEIGHT - _BOTTOM - y.places(ys) * (_HEIGHT - _BOTTOM - _TOP)
    return np.rint(np.stack([across, down], axis=1) * 2) / 2


def _path(points: np.ndarray) -> str:
    return "M" + "L".join(f"{across:g} {down:g}" for across, down in points)


def _series(marks: Marks, x: Axis, y: Axis) -> Markup:
    xs, ys = (np.asarray(values, dtype=np.float64) for values in (marks.x, marks.y))
    measured = np.isfinite(xs) & np.isfinite(ys)
    xs, ys = xs[measured], ys[measured]
    if not len(xs):
        return Markup("")
    points, colour = _place(xs, ys, x, y), f"s{marks.colour}"
    if not marks.label:
        dots = "".join(f"M{across:g} {down:g}h0" for across, down in np.unique(points, axis=0))
        return Markup('<path class="dots {}" d="{}"/>').format(colour, dots)
    line = f'<path class="line {colour}{" dashed" if marks.dashed else ""}" d="{_path(points)}"/>' if marks.line else ""
    kind = colour if marks.line else f"{colour} alone"
    circles = [
        f'<circle class="{kind}" cx="{across:g}" cy="{down:g}" r="3"><title>{escape(marks.label)}: '
        f"{escape(x.label)} {one:.5g}, {escape(y.label)} {other:.5g}</title></circle>"
        for (across, down), one, other in zip(points, xs, ys, strict=True)
    ]
    return Markup(line + "".join(circles))


def _short(number: int) -> str:
    """1000 as 1k."""
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number // size}{letter}"
    return str(number)
