"""Figures of what a norm costs: accuracy against time, and both against a size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from bnbook.figures.comparisons import band
from bnbook.figures.theme import (
    INK,
    Style,
    accuracy_axis,
    canvas,
    label,
    legend,
    log_values,
    series,
    style,
)


def cost_map(
    accuracies: pd.DataFrame,
    costs: pd.DataFrame,
    groups: Mapping[str, Sequence[str]],
    xlabel: str,
    ylabel: str = "test accuracy",
) -> Figure:
    """Draw each arm as a point at its cost and its accuracy, with both 95 % intervals.

    `accuracies` as from `findings.summary`, `costs` as from `findings.medians`, each with one row
    per arm in a column `arm`. `groups` maps names to the arms that share a colour and a marker.
    Costs are on a log axis, accuracies spaced by the log of the error.
    """
    figure, (ax,) = canvas(6.2)
    styles = {name: style(i) for i, name in enumerate(groups)}
    of_arm = {arm: styles[name] for name, arms in groups.items() for arm in arms}
    rows = accuracies.merge(costs, on="arm", suffixes=("", "_cost"))
    for row in rows.to_dict("records"):
        look = of_arm[str(row["arm"])]
        for x, y in (("mean_cost mean_cost", "low high"), ("low_cost high_cost", "mean mean")):
            ends = [[row[name] for name in names.split()] for names in (x, y)]
            ax.plot(*ends, color=look.color, linewidth=1.6)
        ax.plot(row["mean_cost"], row["mean"], look.marker, color=look.color, markersize=8)
    ax.set_xscale("log")
    _log_ticks(ax)
    label(ax, xlabel, ylabel)
    accuracy_axis(ax, stretch=pd.concat([rows["mean"], rows["low"]]))
    ax.margins(x=0.12)
    legend(figure, {name: replace(look, dash="none") for name, look in styles.items()})
    _name_points(ax, rows, of_arm)
    return figure


def _log_ticks(ax: Axes) -> None:
    low, high = ax.get_xlim()
    ticks = [t for t in (0.8, 1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 15, 20) if low <= t <= high]
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.xaxis.set_minor_locator(mpl.ticker.NullLocator())


def _name_points(ax: Axes, rows: pd.DataFrame, of_arm: Mapping[str, Style]) -> None:
    """Write each arm beside its point, where it covers least of what stands there already."""
    figure = ax.get_figure()
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()  # places are known once the layout is
    places = {
        name: ax.transData.transform(rows[[f"{x}_cost", y]].to_numpy())
        for name, x, y in (
            ("points", "mean", "mean"),
            ("left", "low", "mean"),
            ("right", "high", "mean"),
            ("below", "mean", "low"),
            ("above", "mean", "high"),
        )
    }
    taken = [Bbox.from_extents(*(p - 6), *(p + 6)) for p in places["points"]]
    for start, end in (("left", "right"), ("below", "above")):
        taken += [
            Bbox.from_extents(*(a - 1), *(b + 1))
            for a, b in zip(places[start], places[end], strict=True)
        ]
    room = ax.get_window_extent()
    for row, (x, y) in zip(rows.to_dict("records"), places["points"], strict=True):
        name = str(row["arm"])
        text = ax.text(row["mean_cost"], row["mean"], name, fontsize=11, color=of_arm[name].color)
        size = text.get_window_extent()
        candidates = [
            Bbox.from_bounds(x + dx, y + dy, size.width, size.height)
            for dy, dx in product(
                (-size.height / 2, 7, -size.height - 7, 20, -size.height - 20, 34, -48),
                (10, -size.width - 10, -size.width / 2),
            )
            if abs(dy + size.height / 2) > 1 or abs(dx + size.width / 2) > 1
        ]
        best = min(candidates, key=lambda box: _hidden(box, taken, room))
        taken.append(best)
        left, bottom = ax.transData.inverted().transform((best.x0, best.y0))
        text.set_position((left, bottom))


def _hidden(box: Bbox, taken: Sequence[Bbox], room: Bbox) -> float:
    """Area that `box` covers of others, and that it lacks within `room`."""
    inside = Bbox.intersection(box, room)
    outside = box.width * box.height - (inside.width * inside.height if inside else 0)
    shared = (Bbox.intersection(box, other) for other in taken)
    return outside + sum(s.width * s.height for s in shared if s)


def sizes(
    summary: pd.DataFrame,
    x: str,
    xlabel: str,
    ylabel: str,
    by: str = "arm",
    panel: str | None = None,
    *,
    accuracy: bool = False,
    reference: float | None = None,
) -> Figure:
    """Draw means with 95 % bands against a size that grows by factors, one line per `by`.

    `summary` has columns `x`, `by`, mean, low, high, and `panel` for panels side by side. With
    `accuracy`, errors are spaced by their logarithm; else y is a log axis. A dotted vertical line
    stands at `reference`.
    """
    parts = [("", summary)] if panel is None else list(summary.groupby(panel, sort=False))
    figure, axes = canvas(3.9, 1, len(parts), sharey=True)
    styles = series(summary, by)
    for ax, (title, part) in zip(axes, parts, strict=True):
        for name, look in styles.items():
            band(ax, part[part[by] == name].sort_values(x), x, look)
        ax.set_xscale("log", base=2)
        ticks: list[Any] = sorted(part[x].unique())
        ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        ax.xaxis.set_minor_locator(mpl.ticker.NullLocator())
        if reference is not None:
            ax.axvline(reference, color=INK, linestyle=":", linewidth=1.5)
        label(ax, xlabel, ylabel if ax is axes[0] else "", str(title))
        if accuracy:
            accuracy_axis(ax, stretch=pd.concat([summary["mean"], summary["low"]]))
        else:
            log_values(ax)
    legend(figure, styles)
    return figure
