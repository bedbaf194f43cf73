"""Figures of accuracy: along training, at its end, against the learning rate, in pairs.

All take tables that `findings` computed; none does statistics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from bnbook.findings import DIFFERENT, ONE_TRAINS
from bnbook.theme import (
    INK,
    PALETTE,
    Style,
    accuracy_axis,
    canvas,
    label,
    legend,
    log_lr,
    series,
)

#: Settings by which runs differ, in words.
_WORDS: Final = {
    "lr": "learning rate",
    "batch_size": "batch size",
    "epoch": "epoch",
    "init_scale": "scale of the weights",
}


def band(ax: Axes, part: pd.DataFrame, x: str, style: Style, *, limits: bool = True) -> None:
    """Draw means as a line with markers, and (unless not `limits`) their intervals as a band."""
    if limits:
        ax.fill_between(part[x], part["low"], part["high"], color=style.color, alpha=0.2, lw=0)
    ax.plot(part[x], part["mean"], color=style.color, linestyle=style.dash, marker=style.marker)


def bars(
    ax: Axes, part: pd.DataFrame, x: Any, style: Style, center: str = "mean", *, join: bool = True
) -> None:
    """Draw values with their intervals as error bars; `join` connects them by a line."""
    middle = part[center]
    errors = np.maximum([middle - part["low"], part["high"] - middle], 0)
    ax.errorbar(
        x,
        middle,
        yerr=errors,
        color=style.color,
        linestyle=style.dash if join else "none",
        marker=style.marker,
        elinewidth=1.4,
        capsize=3,
    )


def _seen(summary: pd.DataFrame, runs: pd.DataFrame | None, outcome: str = "") -> pd.Series[float]:
    """All accuracies that a figure shows, but for upper limits, which may run off its top."""
    lows = summary["low"] if runs is None else runs[outcome]
    seen: pd.Series[float] = pd.concat([summary["mean"], lows])
    return seen


def _panels(table: pd.DataFrame, column: str | None) -> list[tuple[str, pd.DataFrame]]:
    if column is None:
        return [("", table)]
    groups = table.groupby(column, sort=False, observed=True)
    return [
        (f"{_WORDS[column]} {name:g}" if column in _WORDS else str(name), part)
        for name, part in groups
    ]


def curves(
    summary: pd.DataFrame,
    by: str = "arm",
    panel: str | None = None,
    ylabel: str = "validation accuracy",
    *,
    runs: pd.DataFrame | None = None,
    outcome: str = "val_accuracy",
    stretch: bool = False,
) -> Figure:
    """Draw means along the epochs with 95 % bands, one line per arm, one panel per `panel`.

    `summary` as from `findings.summary(frame, [by, "epoch"], outcome)` (and `panel`). `runs`, as
    from `findings.filled(frame)`, shows every seed as a thin line in place of the bands: use it
    where some seeds failed, since no interval of a mean describes such a split. `stretch` spaces
    accuracies by the log of the error. An `outcome` that is no accuracy (train_loss) has a plain
    axis.
    """
    panels = _panels(summary, panel)
    columns = min(len(panels), 2)
    rows = -(-len(panels) // columns)
    figure, axes = canvas(0.6 + 3.0 * rows, rows, columns, sharex=True, sharey=True)
    styles = series(summary, by)
    for i, (ax, (title, table)) in enumerate(zip(axes, panels, strict=False)):
        for name, style in styles.items():
            band(ax, table[table[by] == name], "epoch", style, limits=runs is None)
            if runs is not None:
                mine = runs[runs[by] == name]
                mine = mine if panel is None else mine[mine[panel] == table[panel].iloc[0]]
                for _, run in mine.groupby("key"):
                    ax.plot(run["epoch"], run[outcome], color=style.color, lw=0.8, alpha=0.6)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        lowest = i + columns >= len(panels)  # of its column, which may end above the last row
        ax.tick_params(labelbottom=lowest)
        label(ax, "epoch" if lowest else "", ylabel if ax in axes[::columns] else "", title)
        if "accuracy" in outcome:
            accuracy_axis(ax, stretch=_seen(summary, runs, outcome) if stretch else None)
    for ax in axes[len(panels) :]:
        ax.set_visible(False)
    legend(figure, styles)
    return figure


def lr_curves(
    summary: pd.DataFrame,
    by: str = "arm",
    best: Mapping[str, float] | None = None,
    shared: float | None = None,
    ylabel: str = "validation accuracy",
    *,
    runs: pd.DataFrame | None = None,
    outcome: str = "val_accuracy",
    stretch: bool = False,
) -> Figure:
    """Draw final means against the learning rate, with 95 % intervals.

    `summary` as from `findings.summary(frame, [by, "lr"], outcome)`. A ring marks each arm's own
    `best` learning rate, a vertical line the `shared` one. `runs`, as from `findings.final`, shows
    every seed as a small dot in place of the intervals: use it where some seeds failed, or where
    there are only two.
    """
    figure, (ax,) = canvas(3.8)
    styles = series(summary, by)
    for name, style in styles.items():
        part = summary[summary[by] == name].sort_values("lr")
        if runs is None:
            bars(ax, part, part["lr"], style)
        else:
            band(ax, part, "lr", style, limits=False)
            mine = runs[runs[by] == name]
            ax.plot(mine["lr"], mine[outcome], ".", color=style.color, alpha=0.6, ms=7, mew=0)
        chosen = part[part["lr"] == (best or {}).get(name)]
        ax.plot(chosen["lr"], chosen["mean"], "o", mfc="none", mec=style.color, ms=15, mew=2)
    if shared is not None:
        ax.axvline(shared, color=INK, linestyle=":", linewidth=1.5)
    log_lr(ax, summary["lr"].tolist())
    notes = ["ring: its own best"] * bool(best) + ["dotted: the shared one"] * (shared is not None)
    label(ax, f"learning rate ({', '.join(notes)})" if notes else "learning rate", ylabel)
    accuracy_axis(ax, stretch=_seen(summary, runs, outcome) if stretch else None)
    legend(figure, styles)
    return figure


def share_map(table: pd.DataFrame, by: str = "arm", y: str = "batch_size") -> Figure:
    """Draw the share of seeds that train over learning rate and batch size, one panel per arm.

    `table` as from `findings.share_trained(frame, ("arm", "lr", "batch_size"))`; `y` names the
    column to take in place of the batch size. A ring is one setting; the filled part of its area
    is the share.
    """
    styles = series(table, by)
    sizes = sorted(table[y].unique())
    figure, axes = canvas(0.7 + 0.75 * len(sizes) * len(styles), len(styles), sharex=True)
    full = 330.0  # points squared
    for ax, (name, style) in zip(axes, styles.items(), strict=True):
        part = table[table[by] == name]
        rows = part[y].map(sizes.index)
        ax.scatter(part["lr"], rows, full, "none", edgecolors=INK, linewidths=1.2)
        ax.scatter(part["lr"], rows, full * part["share"], style.color, linewidths=0)
        log_lr(ax, table["lr"].tolist())
        ax.set_yticks(range(len(sizes)), [f"{size:g}" for size in sizes])
        ax.set_ylim(len(sizes) - 0.5, -0.5)
        ax.grid(visible=False)
        last = ax is axes[-1]
        ax.tick_params(labelbottom=last)
        label(ax, "learning rate" if last else "", _WORDS.get(y, y), name)
    return figure


def dots(
    runs: pd.DataFrame,
    summary: pd.DataFrame,
    outcome: str = "test_accuracy",
    by: str = "arm",
    xlabel: str = "test accuracy",
    *,
    stretch: bool = False,
) -> Figure:
    """Draw every seed's final accuracy as a dot, and each arm's mean with its 95 % interval.

    `runs` as from `findings.final`, `summary` as from `findings.summary` of the same. Runs that
    did not train are crosses.
    """
    styles = series(summary, by)
    names = list(styles)
    figure, (ax,) = canvas(0.9 + 0.52 * len(names))
    for y, (name, style) in enumerate(styles.items()):
        mine = runs[runs[by] == name]
        for trained, marker, size in ((True, "o", 5.0), (False, "X", 8.0)):
            points = mine.loc[mine["trained"] == trained, outcome]
            spread = y + 0.22 + np.linspace(-0.08, 0.08, max(len(points), 2))[: len(points)]
            ax.plot(points, spread, marker, color=style.color, ms=size, alpha=0.65, mew=0)
        row = summary[summary[by] == name].iloc[0]
        ax.plot([row["low"], row["high"]], [y - 0.08] * 2, color=style.color, linewidth=3)
        ax.plot(row["mean"], y - 0.08, style.marker, color=style.color, markersize=9)
    name_rows(ax, names)
    ax.set_xlabel(xlabel)
    accuracy_axis(ax, "x", runs[outcome] if stretch else None)
    return figure


def name_rows(ax: Axes, names: Sequence[str]) -> None:
    """Write the names of rows down the y axis, the first on top."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False, axis="y")


def forest(
    contrasts: pd.DataFrame, name: Callable[[Any], str] | None = None, unit: str = "points"
) -> Figure:
    """Draw paired differences with 95 % intervals over the shaded margin of equivalence.

    `contrasts` as from `findings.contrasts` or `findings.compared`; `name` labels a row.
    """
    figure, (ax,) = canvas(1.0 + 0.55 * len(contrasts))
    draw_differences(ax, contrasts)
    name_rows(ax, [(name or contrast_name)(row) for _, row in contrasts.iterrows()])
    ax.set_xlabel(f"difference in {unit}; shaded: counts as none")
    return figure


def draw_differences(ax: Axes, contrasts: pd.DataFrame) -> None:
    """Draw paired differences in points, one row each, over the shaded margin of equivalence."""
    ax.axvspan(
        *(100 * sign * contrasts["margin"].max() for sign in (-1, 1)), color=INK, alpha=0.2, lw=0
    )
    ax.axvline(0, color=INK, linewidth=1.2)
    for y, (_, row) in enumerate(contrasts.iterrows()):
        ax.plot([100 * row["low"], 100 * row["high"]], [y, y], color=PALETTE[0], linewidth=3)
        ax.plot(100 * row["mean"], y, "o", color=PALETTE[0], markersize=9)


def two_rates(contrasts: pd.DataFrame) -> Figure:
    """Draw each arm's paired difference twice: at the shared learning rate and at its own best.

    `contrasts` as from `findings.contrasts`, with two rows per arm. The axis is logarithmic but
    for a linear part around zero, so that a collapse and a fine difference fit on it. Filled:
    clearly different from the reference; hollow: not.
    """
    arms = list(dict.fromkeys(contrasts["a"]))
    rates = list(dict.fromkeys(contrasts["lr"]))
    names = ["each at its own best" if rate == "own best" else f"all at {rate}" for rate in rates]
    styles = series(pd.DataFrame({"rate": names}), "rate")
    figure, (ax,) = canvas(1.3 + 0.75 * len(arms))
    margin = 100 * contrasts["margin"].max()
    ax.axvspan(-margin, margin, color=INK, alpha=0.2, lw=0)
    ax.axvline(0, color=INK, linewidth=1.2)
    for i, (style, rate) in enumerate(zip(styles.values(), rates, strict=True)):
        for _, row in contrasts[contrasts["lr"] == rate].iterrows():
            y = arms.index(row["a"]) + 0.3 * (i - (len(rates) - 1) / 2)
            ax.plot([100 * row["low"], 100 * row["high"]], [y, y], color=style.color, linewidth=2.5)
            fill = style.color if row["finding"] in (DIFFERENT, ONE_TRAINS) else "none"
            ax.plot(100 * row["mean"], y, style.marker, mfc=fill, mec=style.color, mew=2, ms=9)
    name_rows(ax, [f"{arm}\n− {contrasts['b'].iloc[0]}" for arm in arms])
    ax.set_xscale("symlog", linthresh=1.0, linscale=0.8)
    ends = 100 * contrasts[["low", "high"]].to_numpy()
    low, high = min(np.nanmin(ends), -1.0) * 1.2, max(np.nanmax(ends), 1.0) * 1.2
    ax.set_xlim(low, high)
    ticks = [
        t for t in (-100, -30, -10, -3, -1, -0.5, 0, 0.5, 1, 3, 10, 30, 100) if low <= t <= high
    ]
    ax.set_xticks(ticks, [f"{t:g}".replace("-", "−") for t in ticks])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel("difference in points; shaded: counts as none")
    legend(figure, styles)
    return figure


def contrast_name(row: Any) -> str:
    """Label a contrast: what is compared, and at which learning rate."""
    at = f", lr {row['lr']}" if "lr" in row else ""
    return f"{row['a']}\n− {row['b']}{at}"
