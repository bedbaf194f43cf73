"""This chapter's pictures: the graph of batch norm, its gradient as a projection, comparisons."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bnbook.experiment import MARGIN
from bnbook.figures.comparisons import across, name_rows, shade
from bnbook.findings import DIFFERENT, EQUIVALENT, UNDECIDED
from bnbook.theme import (
    INK,
    PALETTE,
    canvas,
    label,
    legend,
    log_values,
    own_style,
    plain,
    style,
    ticks,
)

#: Where the quantities of the forward pass are drawn.
_PLACES = {
    "$x$": (0.0, 1.0),
    r"$\mu$": (1.0, 0.0),
    "$c$": (2.0, 1.0),
    r"$\sigma^2$": (3.0, 0.0),
    "$s$": (4.2, 0.0),
    r"$\hat x$": (5.2, 1.0),
    "$y$": (7.0, 1.0),
    r"$\gamma$": (6.4, 0.0),
    r"$\beta$": (7.4, 0.0),
}
#: What is computed from what, and the gradient that comes back along the same way.
_EDGES = (
    ("$x$", r"$\mu$", r"$\frac{1}{n}\,\mathrm{d}\mu$", (-0.32, -0.12)),
    ("$x$", "$c$", r"$\mathrm{d}c$", (0.0, 0.13)),
    (r"$\mu$", "$c$", r"$-\sum \mathrm{d}c$", (-0.47, 0.2)),
    ("$c$", r"$\sigma^2$", r"$\frac{2}{n}\,c\,\mathrm{d}\sigma^2$", (0.55, 0.12)),
    (r"$\sigma^2$", "$s$", r"$-\frac{1}{2}s^3\,\mathrm{d}s$", (0.0, -0.22)),
    ("$s$", r"$\hat x$", r"$\sum \mathrm{d}\hat x\,c$", (0.5, -0.12)),
    ("$c$", r"$\hat x$", r"$s\,\mathrm{d}\hat x$", (0.0, 0.13)),
    (r"$\hat x$", "$y$", r"$\gamma\,\mathrm{d}y$", (0.0, 0.13)),
    (r"$\gamma$", "$y$", r"$\sum \mathrm{d}y\,\hat x$", (-0.5, 0.0)),
    (r"$\beta$", "$y$", r"$\sum \mathrm{d}y$", (0.4, 0.0)),
)


def graph(*, backward: bool = False) -> Figure:
    """Draw the six steps of batch norm; with `backward`, the gradients that come back."""
    figure, (ax,) = canvas(2.7)
    for name, place in _PLACES.items():
        learned = name in (r"$\gamma$", r"$\beta$")
        ax.annotate(
            name, place, ha="center", va="center", color=INK, fontsize=15,
            bbox={
                "boxstyle": "circle,pad=0.3", "facecolor": "none", "edgecolor": INK,
                "linestyle": "--" if learned else "-",
            },
        )  # fmt: skip
    for start, end, gradient, shift in _EDGES:
        a, b = _PLACES[start], _PLACES[end]
        color = PALETTE[1] if backward else INK
        tip, tail = (a, b) if backward else (b, a)
        ax.annotate(
            "", tip, tail,
            arrowprops={
                "arrowstyle": "->", "color": color, "shrinkA": 17, "shrinkB": 17, "lw": 1.5,
            },
        )  # fmt: skip
        if backward:
            x, y = ((p + q) / 2 + aside for p, q, aside in zip(a, b, shift, strict=True))
            ax.text(x, y, gradient, ha="center", va="center", color=color)
    ax.set(xlim=(-0.4, 8.0), ylim=(-0.4, 1.4))
    ax.axis("off")
    return figure


def projection(dy: npt.NDArray[np.float64], xhat: npt.NDArray[np.float64]) -> Figure:
    """Draw what batch norm takes out of the gradient `dy` of one feature, both `(n)`.

    Left: the plane of `dy` and the direction in which all rows are equal. Right: the plane of what
    is left of it and the centered `xhat`. Lengths are true, but for their signs.
    """
    figure, axes = canvas(3.0, 1, 2, sharex=True, sharey=True)
    centered = dy - dy.mean()
    along = float(centered @ xhat / np.linalg.norm(xhat))
    sizes = [float(np.linalg.norm(one)) for one in (dy, centered)]
    left = float(np.sqrt(sizes[1] ** 2 - along**2))
    _split(axes[0], (np.sqrt(len(dy)) * abs(dy.mean()), sizes[1]), r"$\mathrm{d}y$", "centered")
    _split(axes[1], (abs(along), left), "centered", r"$\propto \mathrm{d}x$")
    label(axes[0], "direction: all rows equal", "", "take out the mean …")
    label(axes[1], r"direction: $\hat x$", "", r"… and the part along $\hat x$")
    axes[0].set(xlim=(-0.7 * sizes[0], sizes[0]), ylim=(-0.14 * sizes[0], 1.05 * sizes[0]))
    return figure


def _split(ax: Axes, whole: tuple[float, float], name: str, left: str) -> None:
    """Draw a vector, its part along the horizontal axis, and what is left without that."""
    x, y = whole
    for tip, color, dash in (
        ((x, y), INK, "-"), ((x, 0.0), PALETTE[1], "--"), ((0.0, y), PALETTE[0], "-"),
    ):  # fmt: skip
        ax.annotate(
            "", tip, (0, 0),
            arrowprops={
                "arrowstyle": "-|>", "color": color, "linestyle": dash, "lw": 2.5,
                "shrinkA": 0, "shrinkB": 0,
            },
        )  # fmt: skip
    gap = 0.05 * np.hypot(x, y)
    ax.text(x + gap, y, name, ha="left", va="center", color=INK)
    ax.text(-gap, y / 2, left, ha="right", va="center", color=PALETTE[0])
    ax.text(x / 2, -gap, "taken out", ha="center", va="top", color=PALETTE[1])
    ax.plot([gap * 1.5, gap * 1.5, 0], [0, gap * 1.5, gap * 1.5], color=INK, lw=1)
    ax.plot([x, x], [0, y], color=INK, lw=1, linestyle=":")
    ax.set_aspect("equal")
    ax.tick_params(bottom=False, left=False, labelbottom=False, labelleft=False)
    ax.grid(visible=False)
    for spine in ax.spines.values():
        spine.set_visible(False)


def differences(panels: Mapping[str, pd.DataFrame], groups: Sequence[int]) -> Figure:
    """Draw comparisons with the correct code, a panel for each table of `findings.compared`.

    Rows are codes, with lines after the `groups`; a panel whose title begins with "loss" shows
    differences of logarithms, as ratios, and the others accuracies, in points.
    """
    first = next(iter(panels.values()))
    kinds = (EQUIVALENT, DIFFERENT, UNDECIDED)
    looks = {kind: replace(style(index), dash="-") for index, kind in enumerate(kinds)}
    figure, axes = canvas(0.9 + 0.34 * len(first), 1, len(panels), sharey=True)
    for ax, (title, table) in zip(axes, panels.items(), strict=True):
        ratio = title.startswith("loss")
        shade(ax, np.log(1.05) if ratio else MARGIN)
        for place, (_, row) in enumerate(table.iterrows()):
            look = looks.get(row["finding"], looks[EQUIVALENT])
            across(ax, row, place, look, width=3, size=7)
        _scale(ax, ratio=ratio)
        name_rows(ax, list(table.index))
        for end in groups:
            ax.axhline(end - 0.5, color=INK, linewidth=0.6)
        label(ax, "times" if ratio else "points", "", title)
    names = ("within the margin", "different", "open")
    legend(figure, dict(zip(names, looks.values(), strict=True)))
    return figure


def losses(mine: Sequence[float], recorded: Sequence[Sequence[float]]) -> Figure:
    """Draw the losses of a run, epoch by epoch, over those of recorded runs."""
    figure, (ax,) = canvas(3.4)
    right, own = replace(style(0), marker=""), own_style(1)
    for one in recorded:
        ax.plot(range(1, len(one) + 1), one, color=right.color, lw=1, alpha=0.6)
    ax.plot(range(1, len(mine) + 1), mine, color=own.color, marker=own.marker, ms=10, lw=2.5)
    ax.set_xticks(range(1, len(mine) + 1))
    log_values(ax)
    label(ax, "epoch", "training loss")
    legend(figure, {"correct, recorded": right, "your run": own})
    return figure


def _scale(ax: Axes, *, ratio: bool) -> None:
    """Label differences of logarithms as ratios, or differences of accuracy in points."""
    if ratio:
        ax.set_xscale("symlog", linthresh=0.05, linscale=0.5)
        ax.set_xlim(-1.2, 1.2)
        ticks(ax.xaxis, np.log([0.5, 1, 2]), lambda log: plain(np.exp(log)).replace("0.5", "½"))
    else:
        ax.set_xscale("symlog", linthresh=MARGIN, linscale=0.5)
        ax.set_xlim(-0.35, 0.03)
        ticks(ax.xaxis, (-0.1, -0.01, 0, 0.01), lambda share: plain(100 * share))


def grid(
    caught: pd.DataFrame, looks: Mapping[str, Mapping[str, str]], groups: Sequence[int]
) -> Figure:
    """Draw which test (column) catches which code (row), and what the curves show.

    `looks[curve][code]` is "worse", "better" or "".
    """
    figure, (ax,) = canvas(1.9 + 0.34 * len(caught))
    columns = [*caught.columns, *looks]
    for place, (name, row) in enumerate(caught.iterrows()):
        for column, hit in enumerate(row):
            shape = ("s", PALETTE[0], 12) if hit else (".", INK, 4)
            ax.plot(column, place, shape[0], color=shape[1], markersize=shape[2])
        for column, seen in enumerate(looks.values(), start=len(row)):
            shape = {"worse": ("v", PALETTE[1], 11), "better": ("^", PALETTE[1], 11)}.get(
                seen[str(name)], (".", INK, 4)
            )
            ax.plot(column, place, shape[0], color=shape[1], markersize=shape[2])
    ax.axvline(len(caught.columns) - 0.5, color=INK, linewidth=0.6)
    for end in groups:
        ax.axhline(end - 0.5, color=INK, linewidth=0.6)
    ax.set_xticks(range(len(columns)), columns, rotation=50, ha="left", rotation_mode="anchor")
    ax.xaxis.tick_top()
    ax.set_yticks(range(len(caught)), list(caught.index))
    ax.set_xlim(-0.6, len(columns) - 0.4)
    ax.set_ylim(len(caught) - 0.4, -0.6)
    ax.tick_params(length=0)
    ax.grid(visible=False)
    for side in ax.spines.values():
        side.set_visible(False)
    return figure
