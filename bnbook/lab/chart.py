"""Looks and axes shared by the labs, and a line chart as an SVG string.

The live lab redraws four times a second beside training: matplotlib would take a tenth of a
second each time, and its pictures would not follow the notebook's light or dark theme.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from bnbook.theme import PALETTE

#: What tells curves apart: the figures' colours, an SVG dash pattern, a marker.
LOOKS = tuple(
    zip(
        PALETTE,
        ("none", "7 4", "2 3", "9 3 2 3"),
        ("circle", "square", "triangle", "diamond"),
        strict=False,
    )
)
#: The accuracy axis is logarithmic in the error: 98 % and 99 % stay apart.
ACCURACY_TICKS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99)
#: It ends here, or at the best accuracy there is, short of 1: there its scale is infinite.
TOP_ACCURACY, PERFECT = 0.992, 0.9995
#: The loss axis ends at 10: what diverges further is drawn at its edge.
LOSS_TICKS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)

WIDTH, HEIGHT = 460, 270
LEFT, RIGHT, TOP, BOTTOM = 48, 28, 12, 40
LABEL = 13  # height of a curve's name


@dataclass(frozen=True)
class Look:
    """How a curve is drawn: an SVG colour, dash pattern and width."""

    colour: str
    dash: str = "none"
    width: float = 2.0


@dataclass(frozen=True)
class Line:
    """A named curve: `(epoch, value)` points."""

    name: str
    look: Look
    points: Sequence[tuple[float, float]]


def live_look(net: int) -> Look:
    """Look of net A (0) or B (1) while it trains."""
    colour, dash, _ = LOOKS[net]
    return Look(colour, dash)


def kept_look(run: int, net: int) -> Look:
    """Look of the kept run of that index: thin, a colour for the run, a dash for net B."""
    colours = (*PALETTE[2:], PALETTE[0])
    return Look(colours[run % len(colours)], LOOKS[net][1], width=1.2)


def accuracy_chart(lines: Sequence[Line], epochs: int) -> str:
    """Draw accuracies (0 to 1) over epochs."""
    best = top_accuracy([y for line in lines for _, y in line.points])

    def height(accuracy: float) -> float:
        return math.log(1 - min(accuracy, best)) / math.log(1 - best)

    ticks = [(height(tick), f"{100 * tick:.0f} %") for tick in ACCURACY_TICKS]
    placed = [_placed(line, height) for line in lines]
    return _svg("Validation accuracy", placed, ticks, epochs)


def loss_chart(lines: Sequence[Line], epochs: int) -> str:
    """Draw losses over epochs on a logarithmic axis; a non-finite loss leaves a gap."""
    values = loss_ticks([y for line in lines for _, y in line.points])
    low, high = math.log(values[0]), math.log(values[-1])

    def height(loss: float) -> float:
        if not math.isfinite(loss):
            return math.nan
        return (math.log(min(max(loss, values[0]), values[-1])) - low) / (high - low)

    ticks = [(height(value), f"{value:g}") for value in values]
    return _svg("Training loss", [_placed(line, height) for line in lines], ticks, epochs)


def top_accuracy(accuracies: Sequence[float]) -> float:
    """Choose where the accuracy axis ends."""
    return max(TOP_ACCURACY, min(PERFECT, max(accuracies, default=0.0)))


def loss_ticks(losses: Sequence[float]) -> list[float]:
    """Choose ticks that enclose the finite losses, as far as the axis goes."""
    finite = [min(max(y, LOSS_TICKS[0]), LOSS_TICKS[-1]) for y in losses if math.isfinite(y)]
    if not finite:
        return [tick for tick in LOSS_TICKS if 0.03 <= tick <= 3]
    low = max(tick for tick in LOSS_TICKS[:-1] if tick <= min(finite))
    high = min(tick for tick in LOSS_TICKS[1:] if tick >= max(finite))
    return [tick for tick in LOSS_TICKS if low <= tick <= max(high, 3 * low)]


def swatch(look: Look) -> str:
    """Draw the short piece of line that stands in a legend."""
    return (
        '<svg width="36" height="10" aria-hidden="true" style="vertical-align:middle">'
        f'<path d="M0 5H36" stroke="{look.colour}" stroke-width="{look.width}" '
        f'stroke-dasharray="{look.dash}"/></svg>'
    )


@dataclass(frozen=True)
class Panel:
    """Two histograms on one axis from `low` to `high`: one drawn as an outline, one filled.

    Each is a list of shares, from the lowest bin up, or empty. `note` says it in words.
    """

    title: str
    note: str
    low: float
    high: float
    outline: Sequence[float]
    filled: Sequence[float]


def panels(items: Sequence[Panel], colour: str) -> str:
    """Draw small histograms in a row that wraps, each in its own height."""
    return (
        '<div style="display:flex;flex-wrap:wrap;gap:0.4em 1em">'
        + "".join(_panel(item, colour) for item in items)
        + "</div>"
    )


def _panel(item: Panel, colour: str) -> str:
    width, height, foot = 150, 62, 14
    base = height - foot
    ticks = (item.low, (item.low + item.high) / 2, item.high)
    parts = [
        f'<div style="flex:1 1 8em;min-width:7em;max-width:14em"><div>{escape(item.title)}</div>'
        f'<svg viewBox="0 0 {width} {height}" width="100%" role="img" '
        f'aria-label="{escape(f"{item.title}: {item.note}")}" '
        'style="font-size:10px;fill:currentColor;display:block">'
        f'<path d="M0 {base}H{width}" stroke="currentColor" stroke-opacity="0.5"/>'
    ]
    if item.filled:
        path = _steps(item.filled, width, base)
        parts.append(f'<path d="{path}" style="fill:{colour};fill-opacity:0.55"/>')
    if item.outline:
        path = _steps(item.outline, width, base)
        parts.append(f'<path d="{path}" fill="none" stroke="currentColor" stroke-width="1.2"/>')
    for tick, anchor, x in zip(
        ticks, ("start", "middle", "end"), (0, width / 2, width), strict=True
    ):
        parts.append(f'<text x="{x:g}" y="{height - 3}" text-anchor="{anchor}">{tick:g}</text>')
    return "".join(parts) + f'</svg><div style="font-size:90%">{escape(item.note)}</div></div>'


def _steps(shares: Sequence[float], width: float, base: float) -> str:
    """Path of a histogram's outline, its highest bin 2 units below the top."""
    scale = (base - 2) / (max(shares) or 1)
    each = width / len(shares)
    walls = (f"H{i * each:.1f}V{base - share * scale:.1f}" for i, share in enumerate(shares))
    return f"M0 {base}{''.join(walls)}H{width}V{base}"


def _placed(line: Line, height: Callable[[float], float]) -> Line:
    return Line(line.name, line.look, [(x, height(y)) for x, y in line.points])


def _svg(title: str, lines: list[Line], ticks: list[tuple[float, str]], epochs: int) -> str:
    """Draw lines whose values are shares of the axis; their names stand at their ends."""

    def x(epoch: float) -> float:
        return LEFT + epoch / epochs * (WIDTH - LEFT - RIGHT)

    def y(share: float) -> float:
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="100%" role="img" '
        f'aria-label="{escape(title)} by epoch" '
        'style="font-size:12px;fill:currentColor;max-width:36rem;height:auto;display:block">'
    ]
    for share, label in ticks:
        parts.append(
            f'<path d="M{LEFT} {y(share):.1f}H{WIDTH - RIGHT}" stroke="currentColor" '
            f'stroke-opacity="0.15"/><text x="{LEFT - 7}" y="{y(share) + 4:.1f}" '
            f'text-anchor="end">{label}</text>'
        )
    for epoch in range(0, epochs + 1, math.ceil(epochs / 10)):
        parts.append(
            f'<text x="{x(epoch):.1f}" y="{y(0) + 17:.1f}" text-anchor="middle">{epoch}</text>'
        )
    parts.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 6}" '
        'text-anchor="middle">epoch</text>'
    )
    drawn = [(line, [(x(a), y(b)) for a, b in line.points if math.isfinite(b)]) for line in lines]
    drawn = [(line, points) for line, points in drawn if points]
    parts += [_curve(line.look, points) for line, points in drawn]
    parts += _labels([(line.name, *points[-1]) for line, points in drawn])
    return "".join(parts) + "</svg>"


def _curve(look: Look, points: list[tuple[float, float]]) -> str:
    path = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in points)
    end = points[-1]
    return (
        f'<path d="{path}" fill="none" stroke="{look.colour}" stroke-width="{look.width}" '
        f'stroke-dasharray="{look.dash}" stroke-linejoin="round"/>'
        f'<circle cx="{end[0]:.1f}" cy="{end[1]:.1f}" r="3" style="fill:{look.colour}"/>'
    )


def _labels(ends: list[tuple[str, float, float]]) -> list[str]:
    """Write names beside the ends `(name, x, y)` of curves, pushed apart where they would touch."""
    ends = sorted(ends, key=lambda end: end[2])
    heights: list[float] = []
    for _, _, y in ends:
        heights.append(max(y, heights[-1] + LABEL) if heights else y)
    for i in reversed(range(len(heights))):
        below = heights[i + 1] - LABEL if i + 1 < len(heights) else HEIGHT - BOTTOM
        heights[i] = min(heights[i], below)
    return [
        f'<text x="{x + 6:.1f}" y="{y + 4:.1f}" style="font-weight:600">{escape(name)}</text>'
        for (name, x, _), y in zip(ends, heights, strict=True)
    ]
