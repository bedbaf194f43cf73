"""Sliders for gamma and beta beside a sigmoid: how much of its bend its inputs see."""

from typing import Any

import numpy as np

from bnbook.findings.writing import MINUS
from bnbook.lab.element import Html, Widget, element

GAMMAS = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0)
BETAS = tuple(np.arange(-4, 4.5, 0.5).tolist())
REACH = 8.0  # the drawn part of the axis, to both sides of 0

#: Standard deviations from the mean that the integrals go to, and their nodes.
_Z = np.linspace(-6, 6, 2001)

WIDTH, HEIGHT, BASE, TOP = 460, 250, 214, 16


def straight(gamma: float, beta: float) -> dict[str, float]:
    """Fit the best straight line to a sigmoid whose inputs are normal, mean `beta`, sd `gamma`.

    Returns its `slope` and `intercept`, the share of the output's variance that it explains
    (`fit`), and the share of inputs between -1 and 1 (`inside`).
    """
    weight = np.exp(-(_Z**2) / 2)
    weight /= weight.sum()
    x = gamma * _Z + beta
    y = 1 / (1 + np.exp(-x))
    mean = float(weight @ y)
    covariance = float(weight @ ((x - beta) * (y - mean)))
    slope = covariance / gamma**2
    return {
        "slope": slope,
        "intercept": mean - slope * beta,
        "fit": covariance**2 / (gamma**2 * float(weight @ (y - mean) ** 2)),
        "inside": float(weight[np.abs(x) <= 1].sum()),
    }


def sigmoid_sliders() -> Html | Widget:
    """Show a sigmoid, its inputs' distribution and the best line, with sliders for gamma and beta.

    Without a script the picture at gamma 1 and beta 0 stays.
    """
    cells = [[list(straight(gamma, beta).values()) for beta in BETAS] for gamma in GAMMAS]
    data: dict[str, Any] = {
        "gammas": GAMMAS,
        "betas": BETAS,
        "start": [GAMMAS.index(1.0), BETAS.index(0.0)],
        "cells": cells,
        "reach": REACH,
    }
    return element("sigmoid", data, f"{_picture(1.0, 0.0)}<p>{said(1.0, 0.0)}</p>")


def said(gamma: float, beta: float) -> str:
    """Say what the picture shows; the page's script writes the same words."""
    found = straight(gamma, beta)
    return (
        f"A straight line explains {100 * found['fit']:.1f} % of the variance of the output; "
        f"{100 * found['inside']:.0f} % of the inputs lie between −1 and 1."
    )


def _plain(value: float) -> str:
    return f"{value:g}".replace("-", MINUS)


def _picture(gamma: float, beta: float) -> str:
    """Draw the start; the page's script replaces the paths of the line and of the inputs."""
    x = np.linspace(-REACH, REACH, 161)
    found = straight(gamma, beta)
    curve = _path(x, 1 / (1 + np.exp(-x)))
    ends = np.array([beta - 2 * gamma, beta + 2 * gamma])
    line = _path(ends, found["slope"] * ends + found["intercept"])
    inputs = _path(x, 0.45 * np.exp(-(((x - beta) / gamma) ** 2) / 2)) + f"V{BASE}H0Z"
    ticks = "".join(
        f'<text x="{_x(v):.1f}" y="{BASE + 16}" text-anchor="middle">{_plain(v)}</text>'
        for v in range(-6, 7, 2)
    )
    return f"""<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="100%" role="img"
aria-label="A sigmoid, the distribution of its inputs beneath it, and the straight line that fits
it best there">
<path class="axis" d="M0 {BASE}H{WIDTH}M0 {TOP}H{WIDTH}"/>
<svg width="{WIDTH}" height="{BASE}">
<path class="inputs" d="{inputs}"/>
<path class="curve" d="{curve}"/>
<path class="line" d="{line}"/>
</svg>
{ticks}
<text x="{WIDTH / 2:g}" y="{HEIGHT - 4}" text-anchor="middle">input of the sigmoid</text>
</svg>"""


def _x(value: float) -> float:
    return (value + REACH) / (2 * REACH) * WIDTH


def _path(x: Any, y: Any) -> str:
    """Write a line as an SVG path; y = 0 is the axis, y = 1 the upper edge."""
    points = zip((_x(v) for v in x), BASE - np.asarray(y) * (BASE - TOP), strict=True)
    return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in points)
