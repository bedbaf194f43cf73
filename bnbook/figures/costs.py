"""Figures of what a norm costs: accuracy against time, and both against a size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Final

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from bnbook.figures.comparisons import across, apart, band, name_rows, panels_of
from bnbook.theme import (
    INK,
    accuracy_axis,
    canvas,
    label,
    legend,
    log_values,
    series,
    style,
    ticks,
)

#: Ratios that may have a tick where they span decades, and where they do not.
_LONG: Final = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10)
_SHORT: Final = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.3, 1.4, 1.6, 1.8, 2, 2.5, 3)


def cost_map(
    accuracies: pd.DataFrame,
    costs: pd.DataFrame,
    groups: Mapping[str, Sequence[str]],
    xlabel: str,
) -> Figure:
    """Draw each arm as a point at its cost and its accuracy, with both 95% intervals.

    `accuracies` as from `findings.summary`, `costs` as from `findings.medians`, each with one row
    per arm in a column `arm`. `groups` maps names to the arms that share a color and a marker.
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
    ticks(ax.xaxis, (0.8, 1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 15, 20))
    label(ax, xlabel, "test accuracy")
    accuracy_axis(ax, stretch=pd.concat([rows["mean"], rows["low"]]))
    ax.margins(x=0.12)
    legend(figure, {name: replace(look, dash="none") for name, look in styles.items()})
    names = [
        ax.text(0, 0, arm, fontsize=11, color=of_arm[arm].color, in_layout=False)
        for arm in rows["arm"].astype(str)
    ]
    ax.add_artist(_WhenDrawn(partial(_place_names, ax, rows, names)))
    return figure


class _WhenDrawn(Artist):
    """Does `work` whenever the figure is drawn: when it is laid out, and before its texts."""

    zorder = -1

    def __init__(self, work: Callable[[], None]) -> None:
        super().__init__()
        self.work = work

    def draw(self, _: RendererBase) -> None:
        self.work()


def _place_names(ax: Axes, rows: pd.DataFrame, texts: Sequence[Text]) -> None:
    """Write each name beside its point, where it covers least of what stands there already."""
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
    dot = ax.figure.dpi / 100  # what is drawn as SVG has fewer dots than the screen
    taken = [Bbox.from_extents(*(p - 6 * dot), *(p + 6 * dot)) for p in places["points"]]
    for start, end in (("left", "right"), ("below", "above")):
        taken += [
            Bbox.from_extents(*(a - dot), *(b + dot))
            for a, b in zip(places[start], places[end], strict=True)
        ]
    room = ax.get_window_extent()
    for text, (x, y) in zip(texts, places["points"], strict=True):
        size = text.get_window_extent()
        wide, tall, near, far = size.width, size.height, 7 * dot, 20 * dot
        candidates = [
            Bbox.from_bounds(x + dx, y + dy, wide, tall)
            for dy, dx in product(
                (-tall / 2, near, -tall - near, far, -tall - far, 34 * dot, -48 * dot),
                (10 * dot, -wide - 10 * dot, -wide / 2),
            )
            if abs(dy + tall / 2) > 1 or abs(dx + wide / 2) > 1
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
    """Draw means with 95% bands against a size that grows by factors, one line per `by`.

    `summary` has columns `x`, `by`, mean, low, high, and `panel` for panels side by side, whose
    names take the place of an empty `xlabel`. With `accuracy`, errors are spaced by their
    logarithm; else y is a log axis. A dotted vertical line stands at `reference`.
    """
    parts = panels_of(summary, panel)
    figure, axes = canvas(3.9, 1, len(parts), sharey=True)
    styles = series(summary, by)
    for ax, (title, part) in zip(axes, parts, strict=True):
        for name, look in styles.items():
            band(ax, part[part[by] == name].sort_values(x), x, look)
        ax.set_xscale("log", base=2)
        ticks(ax.xaxis, part[x].unique())
        if reference is not None:
            ax.axvline(reference, color=INK, linestyle=":", linewidth=1.5)
        named = (xlabel, title) if xlabel else (title, "")
        label(ax, named[0], ylabel if ax is axes[0] else "", named[1])
    for ax in axes:  # they share their axis, which has to see all of them first
        if accuracy:
            accuracy_axis(ax, stretch=pd.concat([summary["mean"], summary["low"]]))
        else:
            log_values(ax)
    legend(figure, styles)
    return figure


def ratios(table: pd.DataFrame, xlabel: str, reference: float | None = None) -> Figure:
    """Draw ratios with their 95% intervals on a log axis, some for each row.

    `table` has columns row, series, mean, low, high; series lie beside each other within a row.
    A solid line stands at 1, a dotted one at `reference`.
    """
    rows = list(dict.fromkeys(table["row"]))
    styles = series(table, "series")
    figure, (ax,) = canvas(1.2 + (0.2 + 0.2 * len(styles)) * len(rows))
    ax.axvline(1, color=INK, linewidth=1.2)
    if reference is not None:
        ax.axvline(reference, color=INK, linestyle=":", linewidth=1.5)
    shifts = apart(len(styles), 0.35 - 0.35 / len(styles))
    for (name, look), shift in zip(styles.items(), shifts, strict=True):
        for row in table[table["series"] == name].to_dict("records"):
            across(ax, row, rows.index(row["row"]) + shift, look, size=7)
    name_rows(ax, rows)
    ax.set_xscale("log")
    low, high = ax.get_xlim()
    low, high = min(low, 0.9), max(high, 1.1)
    ax.set_xlim(low, high)
    ticks(ax.xaxis, _SHORT if high / low < 4 else _LONG)
    ax.set_xlabel(xlabel)
    legend(figure, styles)
    return figure


def clock(runs: pd.DataFrame, targets: Sequence[float], by: str = "arm") -> Figure:
    """Draw validation accuracy against seconds of training, a line per run, a panel per `panel`.

    `runs` as from `findings.load`, with columns panel, `by` and seconds. Seconds are on a log axis,
    accuracies spaced by the log of the error; dotted lines stand at `targets`.
    """
    panels = panels_of(runs, "panel")
    figure, axes = canvas(0.9 + 2.3 * len(panels), len(panels))
    styles = series(runs, by)
    for ax, (title, part) in zip(axes, panels, strict=True):
        for (name, _), run in part.groupby([by, "key"], observed=True):
            look = styles[str(name)]
            ax.plot(
                run["seconds"],
                run["val_accuracy"],
                color=look.color,
                ls=look.dash,
                lw=1.2,
                alpha=0.8,
            )
        for target in targets:
            ax.axhline(target, color=INK, linestyle=":", linewidth=1.5)
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        label(ax, "seconds of training" if ax is axes[-1] else "", "accuracy", title)
        accuracy_axis(ax, stretch=part["val_accuracy"])
    legend(figure, {name: replace(look, marker="none") for name, look in styles.items()})
    return figure
