"""This chapter's pictures: accuracies that jump, and how long the means remember."""

import pandas as pd
from matplotlib.figure import Figure

from bnbook.figures.comparisons import band, panels_of
from bnbook.theme import INK, accuracy_axis, canvas, label, legend, series, style


def jumps(frame: pd.DataFrame) -> Figure:
    """Draw the accuracy with running statistics at each look, a line for each seed.

    `frame` has rows of "running-statistics" of one arm and one origin of the statistics.
    """
    figure, (ax,) = canvas(3.2)
    for i, (_, one) in enumerate(frame.sort_values("after").groupby("seed")):
        look = style(i)
        ax.plot(
            one["after"], one["correct"] / one["images"],
            color=look.color, linestyle=look.dash, marker=look.marker,
        )  # fmt: skip
    label(ax, "step", "validation accuracy")
    accuracy_axis(ax)
    return figure


def memory(table: pd.DataFrame) -> Figure:
    """Draw how alike means are some steps apart, a line for each layer, a panel for each net.

    `table` has `arm`, `layer`, `lag`, and the correlation with its interval.
    """
    parts = panels_of(table, "arm")
    figure, axes = canvas(3.6, 1, len(parts), sharey=True)
    styles = series(table, "layer")
    for ax, (title, part) in zip(axes, parts, strict=True):
        ax.axhline(0, color=INK, linewidth=1.2)
        for name, look in styles.items():
            band(ax, part[part["layer"] == name], "lag", look)
        ax.set_xticks(sorted(table["lag"].unique())[::3])
        label(ax, "steps apart", "correlation" if ax is axes[0] else "", title)
    legend(figure, styles)
    return figure
