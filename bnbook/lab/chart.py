"""Looks and axes shared by the labs, and a line chart as an SVG string.

The live lab redraws four times a second beside training: matplotlib would take a tenth of a
second each time, and its pictures would not follow the notebook's light or dark theme.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from bnbook.figures.theme import PALETTE

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


@dataclass(frozen=True)
class Line:
    """A named curve: `(epoch, value)` points, drawn in the look of that index."""

    name: str
    look: int
    points: Sequence[tuple[float, float]]


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


def swatch(look: int) -> str:
    """Draw the short piece of line that stands in a legend."""
    colour, dash, _ = LOOKS[look % len(LOOKS)]
    return (
        '<svg width="36" height="10" aria-hidden="true" style="vertical-align:middle">'
        f'<path d="M0 5H36" stroke="{colour}" stroke-width="2.4" stroke-dasharray="{dash}"/></svg>'
    )


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
    for line in lines:
        points = [(x(a), y(b)) for a, b in line.points if math.isfinite(b)]
        if points:
            parts.append(_curve(line, points))
    return "".join(parts) + "</svg>"


def _curve(line: Line, points: list[tuple[float, float]]) -> str:
    colour, dash, _ = LOOKS[line.look % len(LOOKS)]
    path = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in points)
    end = points[-1]
    return (
        f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2" '
        f'stroke-dasharray="{dash}" stroke-linejoin="round"/>'
        f'<circle cx="{end[0]:.1f}" cy="{end[1]:.1f}" r="3" style="fill:{colour}"/>'
        f'<text x="{end[0] + 6:.1f}" y="{end[1] + 4:.1f}" style="font-weight:600">'
        f"{escape(line.name)}</text>"
    )
