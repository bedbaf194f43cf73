"""Figures of what happens inside the layers, and of what each layer's norm is worth.

All take tables that `findings` computed; none does statistics.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bnbook.figures.comparisons import apart, band, bars, panels_of
from bnbook.models import LENET_SLOTS
from bnbook.theme import (
    INK,
    PALETTE,
    Style,
    accuracy_axis,
    canvas,
    label,
    legend,
    log_values,
    series,
)


def contributions(table: pd.DataFrame, panel: str) -> Figure:
    """Draw each layer's worth by three measures, with 95% intervals, one panel below the other.

    `table` as from `findings.contributions`, with a column `panel` that titles the panels.
    """
    panels = panels_of(table, panel)
    figure, axes = canvas(0.8 + 3.0 * len(panels), len(panels), sharex=True, sharey=True)
    styles = series(table, "measure")
    for ax, (title, part) in zip(axes, panels, strict=True):
        _by_layer(ax, part, "measure", styles)
        ax.axhline(0, color=INK, linewidth=1.2)
        label(ax, "", "gain in −log(validation error)", title)
    legend(figure, styles)
    return figure


def _by_layer(ax: Axes, table: pd.DataFrame, by: str, styles: dict[str, Style]) -> None:
    """Error bars per layer, the series a little apart and not joined into a course."""
    layers = [str(layer) for layer in table["layer"].cat.categories]
    for (name, style), shift in zip(styles.items(), apart(len(styles), 0.24), strict=True):
        part = table[table[by] == name].sort_values("layer")
        bars(ax, part, part["layer"].cat.codes + shift, style, join=False)
    ax.set_xticks(range(len(layers)), layers)
    ax.set_xlim(-0.5, len(layers) - 0.5)
    ax.grid(visible=False, axis="x")


def magnitudes(table: pd.DataFrame, panel: str, ylabel: str, x: str = "layer") -> Figure:
    """Draw positive quantities on a log axis with 95% intervals, one panel below the other.

    `table` as from `findings.estimates(findings.magnitudes(frame), ["arm", panel, x], "value",
    geometric=True)`; `x` is layer or after (steps), `panel` for instance where or layer.
    """
    panels = panels_of(table, panel)
    figure, axes = canvas(
        0.8 + (2.2 if len(panels) < 4 else 1.6) * len(panels), len(panels), sharex=True
    )
    styles = series(table, "arm")
    for ax, (title, part) in zip(axes, panels, strict=True):
        if x == "layer":
            _by_layer(ax, part, "arm", styles)
        else:
            for name, style in styles.items():
                band(ax, part[part["arm"] == name].sort_values(x), x, style)
        log_values(ax)
        label(ax, "", ylabel, title)
    if x == "after":
        axes[-1].set_xlabel("steps")
    legend(figure, styles)
    return figure


def affine_histograms(values: pd.DataFrame) -> Figure:
    """Draw how gamma (left) and beta (right) are distributed, one row per layer.

    `values` as from `findings.affine_values`, all seeds together; a vertical line marks the start.
    """
    layers = [str(layer) for layer in values["layer"].cat.categories]
    figure, axes = canvas(0.9 + 1.5 * len(layers), len(layers), 2, sharex="col")
    styles = series(values, "arm")
    for i, ax in enumerate(axes):
        layer, parameter = layers[i // 2], ("gamma", "beta")[i % 2]
        part = values[(values["layer"] == layer) & (values["parameter"] == parameter)]
        edges = np.histogram_bin_edges(values.loc[values["parameter"] == parameter, "value"], 40)
        for name, style in styles.items():
            mine = part.loc[part["arm"] == name, "value"]
            if mine.empty:
                continue
            sns.histplot(
                x=mine,
                bins=edges,
                stat="proportion",
                element="step",
                fill=len(styles) == 1,
                linewidth=1.6,
                color=style.color,
                linestyle=style.dash,
                ax=ax,
            )
        ax.axvline(1 if parameter == "gamma" else 0, color=INK, linestyle=":", linewidth=1.5)
        below = i // 2 == len(layers) - 1
        label(ax, parameter if below else "", "share" if i % 2 == 0 else "", layer)
    legend(figure, styles)
    return figure


def subsets(table: pd.DataFrame, ylabel: str, *, by: str, stretch: bool = False) -> Figure:
    """Draw the mean of every subset of norms in rising order, and below it which layers have one.

    `table` has `norms`, `mean`, `low` and `high`; `by` names a column that tells several series
    apart, the first of which sets the order. A filled dot in the lower part says that the layer has
    the norm.
    """
    styles = series(table, by)
    first = table[table[by] == next(iter(styles))].sort_values("mean", ignore_index=True)
    place_of = dict(zip(first["norms"], first.index, strict=True))
    figure, (ax, grid) = canvas(5.0, 2, sharex=True, height_ratios=[3, 1.3])
    for (name, look), shift in zip(styles.items(), apart(len(styles), 0.15), strict=True):
        part = table[table[by] == name]
        bars(ax, part, part["norms"].map(place_of) + shift, look, join=False)
    legend(figure, styles)
    label(ax, "", ylabel)
    accuracy_axis(ax, stretch=pd.concat([table["mean"], table["low"]]) if stretch else None)
    for place, kinds in enumerate(first["norms"].str.split(",")):
        on = [i for i, kind in enumerate(kinds) if kind == "batch"]
        off = [i for i, kind in enumerate(kinds) if kind != "batch"]
        grid.plot([place] * len(off), off, "o", mfc="none", mec=INK, alpha=0.6, markersize=7)
        grid.plot([place] * len(on), on, "o", color=PALETTE[0], markersize=9)
    grid.set_yticks(range(len(LENET_SLOTS)), LENET_SLOTS)
    grid.set_ylim(len(LENET_SLOTS) - 0.4, -0.6)
    grid.set_xticks([])
    grid.grid(visible=False)
    grid.spines[:].set_visible(False)
    grid.tick_params(length=0)
    grid.set_xlabel("filled: the layer has batch norm")
    return figure
