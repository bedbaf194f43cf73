"""Figures of chapter 10: how large gradients are, and what surrounds a net at a loss or a rate.

All take tables that `findings` or the chapter computed; none does statistics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import pandas as pd
from matplotlib.figure import Figure

from bnbook.figures.comparisons import apart, bars, name_rows
from bnbook.theme import (
    INK,
    accuracy_axis,
    canvas,
    label,
    legend,
    log_lr,
    log_values,
    series,
    style,
)

_LOOKS: Final = {name: style(i) for i, name in enumerate(("with BN", "without BN"))}


def gradient_ranges(table: pd.DataFrame, kinds: Sequence[str]) -> Figure:
    """Draw from where to where the entries of each layer's gradient reach, a panel for each kind.

    `table` as from `findings.gradient_ranges`; `kinds` are the beginnings of its arms' names.
    """
    layers = [str(layer) for layer in table["layer"].cat.categories]
    figure, axes = canvas(0.9 + 0.5 * len(layers), 1, len(kinds), sharex=True, sharey=True)
    for ax, kind in zip(axes, kinds, strict=True):
        for (name, look), shift in zip(_LOOKS.items(), apart(2, 0.18), strict=True):
            part = table[table["arm"] == f"{kind}, {name}"]
            y = part["layer"].cat.codes + shift
            ax.hlines(y, part["low"], part["high"], color=look.color, linestyle=look.dash, lw=3)
            ax.plot(part["mean"], y, look.marker, color=look.color, markersize=8)
        ax.set_xscale("log")
        label(ax, "size of an entry", "", kind)
        name_rows(ax, layers)
    legend(figure, _LOOKS)
    return figure


def over_losses(table: pd.DataFrame, kinds: Sequence[str], names: Mapping[str, str]) -> Figure:
    """Draw quantities at the training losses that nets pass, a row of panels for each quantity.

    `table` has `arm`, `quantity` (a key of `names`), `level`, `mean`, `low`, `high`, levels falling
    from the first, which is the start; `kinds` are the beginnings of its arms' names, a column of
    panels for each.
    """
    levels = sorted(table["level"].unique(), reverse=True)
    figure, axes = canvas(0.8 + 2.1 * len(names), len(names), len(kinds), sharex=True, sharey="row")
    panels = [(quantity, kind) for quantity in names for kind in kinds]
    for ax, (quantity, kind) in zip(axes, panels, strict=True):
        for (name, look), shift in zip(_LOOKS.items(), apart(2, 0.08), strict=True):
            mine = (table["arm"] == f"{kind}, {name}") & (table["quantity"] == quantity)
            part = table[mine].sort_values("level", ascending=False)
            bars(ax, part, part["level"].map(levels.index) + shift, look)
        ax.axvline(0.5, color=INK, linestyle=":", linewidth=1)
        ax.set_xticks(range(len(levels)), ["start", *(f"{level:g}" for level in levels[1:])])
        below, first = quantity == [*names][-1], kind == kinds[0]
        title = kind if quantity == next(iter(names)) else ""
        label(ax, "training loss" if below else "", names[quantity] if first else "", title)
    for ax in axes:  # a row shares its axis, which has to see all of it first
        ax.set_yscale("log")
    for ax in axes[:: len(kinds)]:
        log_values(ax)
    legend(figure, _LOOKS)
    return figure


def over_rates(
    panels: Mapping[str, pd.DataFrame], shares: Sequence[str] = (), gaps: Sequence[str] = ()
) -> Figure:
    """Draw quantities against the learning rate, with 95% intervals, a panel for each.

    `panels` maps a title to a table as from `findings.estimates(runs, ["arm", "lr"], outcome)`.
    The panels named in `shares` hold accuracies and those in `gaps` their differences, which are
    drawn in points; the others are logarithmic.
    """
    figure, axes = canvas(0.8 + 2.0 * len(panels), len(panels), sharex=True)
    everything = pd.concat(panels.values())
    styles = series(everything, "arm")
    for ax, (title, table) in zip(axes, panels.items(), strict=True):
        for name, look in styles.items():
            part = table[table["arm"] == name].sort_values("lr")
            bars(ax, part, part["lr"], look)
        if title in shares:
            accuracy_axis(ax)
        elif title in gaps:
            ax.yaxis.set_major_formatter(lambda share, _: f"{100 * share:g}")
        else:
            log_values(ax)
        label(ax, "", "points" if title in gaps else "", title)
    log_lr(axes[-1], everything["lr"].tolist())
    legend(figure, styles)
    return figure
