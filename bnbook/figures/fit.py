"""Figures of regularization: how far a net's fit to its training images carries.

All take tables that `findings` computed; none does statistics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from bnbook.figures.comparisons import (
    across,
    apart,
    bars,
    draw_differences,
    name_rows,
    shade,
)
from bnbook.theme import INK, accuracy_axis, canvas, label, legend, plain, series, style, ticks


def gaps(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw each arm's accuracy on training and on test images, joined by a line.

    `tables` maps panel titles to rows of `findings.fit(frame)`, without those of the gap; with
    95% intervals. Hollow: training images; filled: test images.
    """
    rows = max(table["arm"].nunique() for table in tables.values())
    figure, axes = canvas((0.9 + 0.42 * rows) * len(tables), len(tables), sharex=True)
    for ax, (title, table) in zip(axes, tables.items(), strict=True):
        styles = series(table, "arm")
        for y, (name, look) in enumerate(styles.items()):
            mine = table[table["arm"] == name].set_index("of")
            ax.plot(mine["mean"], [y, y], color=look.color, linestyle=look.dash, linewidth=1.5)
            for of, row in mine.iterrows():
                fill = look.color if of == "test images" else "none"
                # Not clipped: a perfect score stands on the edge.
                across(ax, row, y, look, width=4, mfc=fill, mew=2, clip_on=False)
        name_rows(ax, list(styles))
        label(ax, "", "", title)
        accuracy_axis(ax, "x")  # linear: gaps are to be compared by their length
    label(axes[-1], "accuracy (hollow: on training images, filled: on test images)")
    return figure


def forests(tables: Mapping[str, pd.DataFrame], name: Callable[[Any], str]) -> Figure:
    """Draw the same paired differences in several settings, side by side; see `forest`.

    `tables` maps panel titles to `findings.contrasts` of the same pairs; `name` labels a row.
    """
    names = [name(row) for _, row in next(iter(tables.values())).iterrows()]
    figure, axes = canvas(1.3 + 0.55 * len(names), 1, len(tables), sharex=True, sharey=True)
    for ax, (title, table) in zip(axes, tables.items(), strict=True):
        shade(ax, 100 * table["margin"].max())
        draw_differences(ax, table, range(len(table)), style(0))
        name_rows(ax, names)
        label(ax, "difference in points", "", title)
    return figure


def batch_sizes(accuracy: pd.DataFrame, differences: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw test accuracy against the batch size, and differences of accuracies below, with zero.

    All tables are `findings.estimates` by "arm" and "batch_size"; `differences` maps panel titles
    to them. With 95% intervals.
    """
    tables = {"test accuracy": accuracy, **differences}
    figure, axes = canvas(0.8 + 2.3 * len(tables), len(tables), sharex=True)
    everything = pd.concat(tables.values(), ignore_index=True)
    styles = series(everything, "arm")
    for ax, (title, table) in zip(axes, tables.items(), strict=True):
        present = [name for name in styles if name in set(table["arm"])]
        for name, shift in zip(present, apart(len(present), 0.02), strict=True):
            part = table[table["arm"] == name].sort_values("batch_size")
            bars(ax, part, part["batch_size"] * 10**shift, styles[name])
        ax.set_xscale("log")
        label(ax, "", "", title)
        if title in differences:
            ax.axhline(0, color=INK, linewidth=1.2)
            ax.yaxis.set_major_formatter(lambda value, _: plain(100 * value))
            ax.set_ylabel("points")
        else:
            accuracy_axis(ax)
    ticks(axes[-1].xaxis, everything["batch_size"].unique())
    axes[-1].set_xlabel("batch size")
    legend(figure, styles)
    return figure
