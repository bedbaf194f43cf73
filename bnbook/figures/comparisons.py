"""Figures of accuracy: along training, at its end, against the learning rate, in pairs.

All take tables that `findings` computed; none does statistics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bnbook.findings import DIFFERENT, ONE_TRAINS
from bnbook.theme import (
    INK,
    Style,
    accuracy_axis,
    canvas,
    label,
    legend,
    log_lr,
    series,
    style,
    ticks,
)

#: Settings by which runs differ, in words.
_WORDS: Final = {
    "lr": "learning rate",
    "batch_size": "batch size",
    "init_scale": "scale of the weights",
}


def band(ax: Axes, part: pd.DataFrame, x: str, look: Style, *, limits: bool = True) -> None:
    """Draw means as a line with markers, and (unless not `limits`) their intervals as a band."""
    if limits:
        ax.fill_between(part[x], part["low"], part["high"], color=look.color, alpha=0.2, lw=0)
    ax.plot(part[x], part["mean"], color=look.color, linestyle=look.dash, marker=look.marker)


def bars(ax: Axes, part: pd.DataFrame, x: Any, look: Style, *, join: bool = True) -> None:
    """Draw means with their intervals as error bars; `join` connects them by a line."""
    errors = np.maximum([part["mean"] - part["low"], part["high"] - part["mean"]], 0)
    ax.errorbar(
        x,
        part["mean"],
        yerr=errors,
        color=look.color,
        linestyle=look.dash if join else "none",
        marker=look.marker,
        elinewidth=1.4,
        capsize=3,
    )


def across(
    ax: Axes, row: Any, y: float, look: Style, *, width: float = 2.5, size: float = 9, **mark: Any
) -> None:
    """Draw the interval of one row as a horizontal line at height `y`, and its mean on it."""
    ax.plot([row["low"], row["high"]], [y, y], color=look.color, linewidth=width)
    ax.plot(row["mean"], y, look.marker, color=look.color, markersize=size, **mark)


def apart(count: int, reach: float) -> npt.NDArray[np.float64]:
    """Shift so many series from a common place, up to `reach` to either side."""
    return np.linspace(-reach, reach, count) if count > 1 else np.zeros(1)


def panels_of(table: pd.DataFrame, column: str | None) -> list[tuple[str, pd.DataFrame]]:
    """Part `table` by `column` in the order of its rows, each part with its title."""
    if column is None:
        return [("", table)]
    groups = table.groupby(column, sort=False, observed=True)
    return [
        (f"{_WORDS[column]} {name:g}" if column in _WORDS else str(name), part)
        for name, part in groups
    ]


def curves(
    summary: pd.DataFrame,
    panel: str | None = None,
    ylabel: str = "validation accuracy",
    *,
    runs: pd.DataFrame | None = None,
    outcome: str = "val_accuracy",
    stretch: bool = False,
) -> Figure:
    """Draw means along the epochs with 95% bands, one line per arm, one panel per `panel`.

    `summary` as from `findings.summary(frame, ["arm", "epoch"], outcome)` (and `panel`). `runs`, as
    from `findings.filled(frame)`, shows every seed as a thin line in place of the bands: use it
    where some seeds failed, since no interval of a mean describes such a split. `stretch` spaces
    accuracies by the log of the error. An `outcome` that is no accuracy (train_loss) has a plain
    axis.
    """
    panels = panels_of(summary, panel)
    columns = min(len(panels), 2)
    rows = -(-len(panels) // columns)
    figure, axes = canvas(0.6 + 3.0 * rows, rows, columns, sharex=True, sharey=True)
    styles = series(summary, "arm")
    # But for upper limits, which may run off the top.
    seen = pd.concat([summary["mean"], summary["low"] if runs is None else runs[outcome]])
    for i, (ax, (title, table)) in enumerate(zip(axes, panels, strict=False)):
        for name, look in styles.items():
            band(ax, table[table["arm"] == name], "epoch", look, limits=runs is None)
            if runs is not None:
                mine = runs[runs["arm"] == name]
                mine = mine if panel is None else mine[mine[panel] == table[panel].iloc[0]]
                for _, run in mine.groupby("key"):
                    ax.plot(run["epoch"], run[outcome], color=look.color, lw=0.8, alpha=0.6)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        lowest = i + columns >= len(panels)  # of its column, which may end above the last row
        ax.tick_params(labelbottom=lowest)
        label(ax, "epoch" if lowest else "", ylabel if ax in axes[::columns] else "", title)
        if "accuracy" in outcome:
            accuracy_axis(ax, stretch=seen if stretch else None)
    for ax in axes[len(panels) :]:
        ax.set_visible(False)
    legend(figure, styles)
    return figure


def lr_curves(
    summary: pd.DataFrame,
    *,
    best: Mapping[str, float],
    shared: float,
    runs: pd.DataFrame,
    stretch: bool = False,
) -> Figure:
    """Draw final validation accuracies against the learning rate, every seed as a small dot.

    `summary` has the `mean` of each arm and `lr`, joined by lines; `runs` as from `findings.final`.
    A ring marks each arm's own `best` learning rate, a vertical line the `shared` one.
    """
    figure, (ax,) = canvas(3.8)
    styles = series(summary, "arm")
    for name, look in styles.items():
        part = summary[summary["arm"] == name].sort_values("lr")
        band(ax, part, "lr", look, limits=False)
        mine = runs[runs["arm"] == name]
        ax.plot(mine["lr"], mine["val_accuracy"], ".", color=look.color, alpha=0.6, ms=7, mew=0)
        chosen = part[part["lr"] == best[name]]
        ax.plot(chosen["lr"], chosen["mean"], "o", mfc="none", mec=look.color, ms=15, mew=2)
    ax.axvline(shared, color=INK, linestyle=":", linewidth=1.5)
    log_lr(ax, summary["lr"].tolist())
    label(
        ax,
        "learning rate (ring: the one chosen, dotted: the shared one)",
        "validation accuracy",
    )
    seen = pd.concat([summary["mean"], runs["val_accuracy"]])
    accuracy_axis(ax, stretch=seen if stretch else None)
    legend(figure, styles)
    return figure


def share_map(table: pd.DataFrame, y: str = "batch_size") -> Figure:
    """Draw the share of seeds that train over learning rate and batch size, one panel per arm.

    `table` as from `findings.share_trained(frame, ("arm", "lr", "batch_size"))`; `y` names the
    column to take in place of the batch size. A ring is one setting; the filled part of its area
    is the share.
    """
    styles = series(table, "arm")
    sizes = sorted(table[y].unique())
    figure, axes = canvas(0.7 + 0.75 * len(sizes) * len(styles), len(styles), sharex=True)
    full = 330.0  # points squared
    for ax, (name, look) in zip(axes, styles.items(), strict=True):
        part = table[table["arm"] == name]
        rows = part[y].map(sizes.index)
        ax.scatter(part["lr"], rows, full, "none", edgecolors=INK, linewidths=1.2)
        ax.scatter(part["lr"], rows, full * part["share"], look.color, linewidths=0)
        log_lr(ax, table["lr"].tolist())
        ax.set_yticks(range(len(sizes)), [f"{size:g}" for size in sizes])
        ax.set_ylim(len(sizes) - 0.5, -0.5)
        ax.grid(visible=False)
        last = ax is axes[-1]
        ax.tick_params(labelbottom=last)
        label(ax, "learning rate" if last else "", _WORDS[y], name)
    return figure


def dots(
    runs: pd.DataFrame,
    summary: pd.DataFrame,
    outcome: str = "test_accuracy",
    *,
    stretch: bool = False,
) -> Figure:
    """Draw every seed's final accuracy as a dot, and each arm's mean with its 95% interval.

    `runs` as from `findings.final`, `summary` as from `findings.summary` of the same. Runs that
    did not train are crosses.
    """
    styles = series(summary, "arm")
    names = list(styles)
    figure, (ax,) = canvas(0.9 + 0.52 * len(names))
    for y, (name, look) in enumerate(styles.items()):
        mine = runs[runs["arm"] == name]
        for trained, marker, size in ((True, "o", 5.0), (False, "X", 8.0)):
            points = mine.loc[mine["trained"] == trained, outcome]
            spread = y + 0.22 + np.linspace(-0.08, 0.08, max(len(points), 2))[: len(points)]
            ax.plot(points, spread, marker, color=look.color, ms=size, alpha=0.65, mew=0)
        across(ax, summary[summary["arm"] == name].iloc[0], y - 0.08, look, width=3)
    name_rows(ax, names)
    ax.set_xlabel("test accuracy")
    accuracy_axis(ax, "x", runs[outcome] if stretch else None)
    return figure


def name_rows(ax: Axes, names: Sequence[str]) -> None:
    """Write the names of rows down the y axis, the first on top."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False, axis="y")


def forest(contrasts: pd.DataFrame, name: Callable[[Any], str] | None = None) -> Figure:
    """Draw paired differences with 95% intervals over the shaded margin of equivalence.

    `contrasts` as from `findings.contrasts` or `findings.compared`; `name` labels a row. Filled:
    different; hollow: not shown to differ, or within the margin.
    """
    figure, (ax,) = canvas(1.0 + 0.55 * len(contrasts))
    shade(ax, 100 * contrasts["margin"].max())
    draw_differences(ax, contrasts, range(len(contrasts)), style(0))
    name_rows(ax, [(name or contrast_name)(row) for _, row in contrasts.iterrows()])
    ax.set_xlabel("difference in points; shaded: counts as no difference")
    return figure


def shade(ax: Axes, margin: float) -> None:
    """Shade the differences that count as none, with a line at zero."""
    ax.axvspan(-margin, margin, color=INK, alpha=0.2, lw=0)
    ax.axvline(0, color=INK, linewidth=1.2)


def draw_differences(
    ax: Axes, contrasts: pd.DataFrame, heights: Iterable[float], look: Style
) -> None:
    """Draw paired differences in points, each at its height: filled where they are clear."""
    for y, (_, row) in zip(heights, contrasts.iterrows(), strict=True):
        clear = row["finding"] in (DIFFERENT, ONE_TRAINS)
        points = 100 * row[["mean", "low", "high"]]
        across(ax, points, y, look, mfc=look.color if clear else "none", mew=2)


def two_rates(contrasts: pd.DataFrame) -> Figure:
    """Draw each arm's paired difference twice: at the shared learning rate and at its best.

    `contrasts` as from `findings.contrasts`, with two rows per arm. The axis is logarithmic but
    for a linear part around zero, so that a collapse and a fine difference fit on it. Filled:
    different; hollow: not shown to differ, or within the margin.
    """
    arms = list(dict.fromkeys(contrasts["a"]))
    rates = list(dict.fromkeys(contrasts["lr"]))
    names = ["each at its own rate" if rate == "own best" else f"all at {rate}" for rate in rates]
    styles = series(pd.DataFrame({"rate": names}), "rate")
    figure, (ax,) = canvas(1.3 + 0.75 * len(arms))
    shade(ax, 100 * contrasts["margin"].max())
    shifts = apart(len(rates), 0.15)
    for rate, look, shift in zip(rates, styles.values(), shifts, strict=True):
        part = contrasts[contrasts["lr"] == rate]
        draw_differences(ax, part, part["a"].map(arms.index) + shift, look)
    name_rows(ax, [f"{arm}\nagainst {contrasts['b'].iloc[0]}" for arm in arms])
    ax.set_xscale("symlog", linthresh=1.0, linscale=0.8)
    ends = 100 * contrasts[["low", "high"]].to_numpy()
    ax.set_xlim(min(np.nanmin(ends), -0.3) * 1.2, max(np.nanmax(ends), 0.3) * 1.2)
    ticks(ax.xaxis, (-100, -30, -10, -3, -1, -0.5, 0, 0.5, 1, 3, 10, 30, 100))
    ax.set_xlabel("difference in points; shaded: counts as no difference")
    legend(figure, styles)
    return figure


def contrast_name(row: Any) -> str:
    """Label a contrast: what is compared, and at which learning rate."""
    rate = {"own best": "own rate"}.get(row["lr"], f"rate {row['lr']}") if "lr" in row else ""
    return f"{row['a']}\nagainst {row['b']}" + (f", {rate}" if rate else "")
