"""Figures of running against re-estimated statistics: chapter 9."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bnbook.figures.comparisons import apart, bars, name_rows, panels_of
from bnbook.theme import accuracy_axis, canvas, label, legend, plain, series, style, ticks

#: The smallest difference that a figure shows, as a share: one image in 10,000.
_LEAST = 1e-4


def two_courses(steps: Iterable[int], courses: dict[str, Sequence[float]]) -> Figure:
    """Draw accuracies (0 to 1) after each of `steps`, one line with markers for each course."""
    figure, (ax,) = canvas(3.8)
    styles = {name: style(i) for i, name in enumerate(courses)}
    steps = list(steps)
    for name, look in styles.items():
        ax.plot(
            steps, courses[name],
            color=look.color, linestyle=look.dash, marker=look.marker, markersize=4,
        )  # fmt: skip
    label(ax, "step", "accuracy")
    accuracy_axis(ax)
    legend(figure, styles)
    return figure


def gap_sizes(table: pd.DataFrame, x: str, xlabel: str, by: str) -> Figure:
    """Draw typical differences against `x` on log axes, one line per `by`, one panel per arm.

    `table` as from `findings.statistics_gaps(frame, ("arm", by, x))`, with 95% intervals.
    """
    parts = panels_of(table, "arm")
    figure, axes = canvas(4.0, 1, len(parts), sharey=True)
    styles = series(table, by)
    shifts = np.geomspace(0.93, 1.07, len(styles))  # a little apart, or bars would hide each other
    for ax, (title, part) in zip(axes, parts, strict=True):
        for (name, look), shift in zip(styles.items(), shifts, strict=True):
            mine = _visible(part[part[by].astype(str) == name].sort_values(x))
            bars(ax, mine, mine[x] * shift, look)
        ax.set_xscale("log")
        ticks(ax.xaxis, part[x].unique())
        label(ax, xlabel, "typical difference" if ax is axes[0] else "", title)
    _point_axis(axes[0], "y")
    legend(figure, styles)
    return figure


def causes(table: pd.DataFrame) -> Figure:
    """Draw the typical difference for each origin of the statistics, the arms beneath each other.

    `table` as from `findings.statistics_gaps(frame)`, of one learning rate and batch size.
    """
    names = [str(name) for name in table["cause"].cat.categories]
    figure, (ax,) = canvas(1.1 + 0.55 * len(names))
    styles = series(table, "arm")
    for (arm, look), shift in zip(styles.items(), apart(len(styles), 0.11), strict=True):
        part = _visible(table[table["arm"] == arm])
        rows = part["cause"].cat.codes + shift
        errors = np.maximum([part["mean"] - part["low"], part["high"] - part["mean"]], 0)
        ax.errorbar(
            part["mean"], rows, xerr=errors,
            color=look.color, linestyle="none", marker=look.marker, elinewidth=1.6, capsize=3,
        )  # fmt: skip
    name_rows(ax, [name.replace(", ", ",\n", 1) for name in names])
    label(ax, "typical difference from re-estimated statistics")
    _point_axis(ax, "x")
    legend(figure, styles)
    return figure


def _visible(part: pd.DataFrame) -> pd.DataFrame:
    """Lift what is below one image in 10,000, or a log axis could not show it."""
    return part.assign(**{name: part[name].clip(lower=_LEAST) for name in ("mean", "low", "high")})


def _point_axis(ax: Axes, which: str) -> None:
    """Show differences of accuracy on a log axis, in percentage points."""
    axis, scale = (ax.yaxis, ax.set_yscale) if which == "y" else (ax.xaxis, ax.set_xscale)
    scale("log")
    places = (1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1.0)
    ticks(axis, places, lambda share: plain(100 * share))
    axis.set_label_text(f"{axis.get_label_text()} (points)")
