"""Pictures that explain: a net as a row of boxes, and a reader's own run beside recorded ones."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bnbook.figures.comparisons import band
from bnbook.findings import summary
from bnbook.history import History
from bnbook.theme import INK, PALETTE, accuracy_axis, canvas, label, legend, own_style, series


def blocks(rows: Sequence[Sequence[str]], marked: Collection[str] = ()) -> Figure:
    """Draw rows of boxes with arrows from left to right, one row under the other.

    Boxes whose text is in `marked` have batch norm's color, and thicker lines.
    """
    figure, (ax,) = canvas(0.4 + 0.85 * len(rows))
    longest = max(map(len, rows))
    for y, row in enumerate(rows):
        before = None
        for x, text in enumerate(row):
            chosen = text in marked
            color = PALETTE[0] if chosen else INK
            shape = {"boxstyle": "round,pad=0.5", "facecolor": "none", "edgecolor": color}
            box = ax.annotate(
                text,
                (x, -y),
                ha="center",
                va="center",
                color=color,
                bbox=shape | {"linewidth": 2 if chosen else 1},
            ).get_bbox_patch()
            if before:  # the arrow ends at the boxes, however wide they are
                ends = {"patchA": before, "patchB": box}
                line = {"arrowstyle": "->", "color": INK, "shrinkA": 3, "shrinkB": 3}
                ax.annotate("", (x, -y), (x - 1, -y), arrowprops=line | ends)
            before = box
    ax.set(xlim=(-0.5, longest - 0.5), ylim=(0.5 - len(rows), 0.5))
    ax.axis("off")
    return figure


def beside(mine: History, recorded: pd.DataFrame) -> Figure:
    """Draw the validation accuracy of a run of one's own over the recorded means and bands.

    `recorded` has runs of `findings.load` at one learning rate and batch size, one line per arm.
    """
    table = summary(recorded, ["arm", "epoch"])
    figure, (ax,) = canvas(3.6)
    styles = series(table, "arm")
    for name, style in styles.items():
        band(ax, table[table["arm"] == name], "epoch", style)
    own = own_style(len(styles))
    frame = mine.frame()
    ax.plot(
        frame["epoch"], frame["val_accuracy"], color=own.color, marker=own.marker, ms=10, lw=2.5
    )
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    label(ax, "epoch", "validation accuracy")
    accuracy_axis(ax, stretch=pd.concat([table["mean"], frame["val_accuracy"]]))
    legend(figure, styles | {"your run": own})
    return figure
