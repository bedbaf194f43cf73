"""Looks and axes that the labs share with each other, and with the figures."""

from bnbook.theme import PALETTE

#: What tells curves apart: the figures' colors, an SVG dash pattern, a marker.
LOOKS = tuple(
    {"color": color, "dash": dash, "marker": marker}
    for color, dash, marker in zip(
        PALETTE,
        ("none", "7 4", "2 3", "9 3 2 3"),
        ("circle", "square", "triangle", "diamond"),
        strict=False,
    )
)
#: The accuracy axis is logarithmic in the error: 98% and 99% stay apart.
ACCURACY_TICKS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99)
#: It ends here, or at the best accuracy there is, short of 1: there its scale is infinite.
TOP_ACCURACY, PERFECT = 0.992, 0.9995
#: The loss axis ends at 10: what diverges further is drawn at its edge.
LOSS_TICKS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
