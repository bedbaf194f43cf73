"""Figures of chapter 10: gradients entry by entry, and how sharp it is where training ends.

Both take tables that `findings` computed; neither does statistics.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from bnbook.figures.comparisons import bars
from bnbook.theme import INK, canvas, label, legend, log_lr, log_values, series


def gradient_histograms(table: pd.DataFrame) -> Figure:
    """Draw how the sizes of a gradient's entries are distributed, one row per layer.

    `table` as from `findings.gradient_histograms`: shares per bin with 95 % intervals as bands.
    """
    layers = [str(layer) for layer in table["layer"].cat.categories]
    figure, axes = canvas(0.9 + 1.25 * len(layers), len(layers), sharex=True, sharey=True)
    styles = series(table, "arm")
    seen = table[table["mean"] > 0.005]
    for ax, layer in zip(axes, layers, strict=True):
        for name, style in styles.items():
            part = table[(table["arm"] == name) & (table["layer"] == layer)]
            ax.fill_between(
                part["size"], part["low"], part["high"], color=style.color, alpha=0.25, lw=0
            )
            ax.plot(part["size"], part["mean"], color=style.color, linestyle=style.dash)
        label(ax, "", "share", layer)
    axes[-1].set_xscale("log")
    axes[-1].set_xlim(seen["size"].min(), seen["size"].max())
    axes[-1].set_xlabel("size of an entry of the gradient")
    legend(figure, styles)
    return figure


def over_rates(panels: Mapping[str, pd.DataFrame], limit: str = "", at: float = 0.0) -> Figure:
    """Draw positive quantities against the learning rate, with 95 % intervals, a panel for each.

    `panels` maps a title to a table as from `findings.estimates(runs, ["arm", "lr"], outcome,
    geometric=True)`. The panel called `limit` gets a horizontal line at `at`.
    """
    figure, axes = canvas(0.8 + 2.3 * len(panels), len(panels), sharex=True)
    everything = pd.concat(panels.values())
    styles = series(everything, "arm")
    for ax, (title, table) in zip(axes, panels.items(), strict=True):
        for name, style in styles.items():
            part = table[table["arm"] == name].sort_values("lr")
            bars(ax, part, part["lr"], style)
        if title == limit:
            ax.axhline(at, color=INK, linestyle=":", linewidth=1.5)
        log_values(ax)
        label(ax, "", "", title)
    log_lr(axes[-1], everything["lr"].tolist())
    legend(figure, styles)
    return figure
