"""How figures look: readable on white and on near-black, in color and without."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import matplotlib as mpl
import numpy as np
import pandas as pd
from cycler import cycler
from IPython.core.getipython import get_ipython
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator
from matplotlib_inline.config import InlineBackend

from bnbook import screens

#: Axes and labels: 4.5:1 against the page; in dark mode styles.css makes figures brighter.
INK: Final = "#737373"

#: Okabe and Ito's hues, darkened or lightened until each has 3:1 on white and on #222.
PALETTE: Final = ("#2b86c8", "#d55e00", "#009e73", "#b8639a", "#9a8300", "#8b7bd8", "#808080")
DASHES: Final[tuple[Any, ...]] = (
    "-",
    (0, (5, 2)),
    (0, (1.2, 1.2)),
    (0, (6, 1.5, 1.2, 1.5)),
    (0, (8, 3)),
    (0, (3, 1.2, 1.2, 1.2, 1.2, 1.2)),
    (0, (2.5, 1)),
)
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X")

_RC: Final[dict[str, Any]] = {
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "legend.facecolor": "none",
    "legend.frameon": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.titlecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": INK,
    "grid.alpha": 0.25,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": cycler(color=PALETTE),
    "font.size": 12,
    "axes.labelsize": 12,
    "axes.titlesize": 12,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "legend.fontsize": 11,
    "legend.handlelength": 3,  # a whole dash-dot and the start of the next
    "lines.linewidth": 2,
    "lines.markersize": 6,
    # Outlines instead of fonts: the page needs none, and looks the same everywhere.
    "svg.fonttype": "path",
    # Identical figures get identical files, so that nothing is rebuilt without need.
    "svg.hashsalt": "bnbook",
}


def theme() -> None:
    """Set matplotlib's defaults and, in a notebook, SVG output. Every figure here calls it."""
    mpl.rcParams.update(_RC)  # type: ignore[arg-type]
    shell: Any = get_ipython()
    if shell is None:
        return
    config: Any = InlineBackend.instance(parent=shell)
    config.shell = shell  # without it the next line would not reach the display formatter
    # As laid out, not cropped: cropping would change the width from figure to figure.
    config.print_figure_kwargs = {"bbox_inches": None, "metadata": {"Date": None}}
    config.figure_formats = {"svg"}
    if os.environ.get("BNBOOK_RENDER"):
        shell.display_formatter.formatters["image/svg+xml"].for_type(Figure, screens.both)


def canvas(
    height: float, rows: int = 1, columns: int = 1, **options: Any
) -> tuple[Figure, list[Axes]]:
    """Make a themed figure of the book's width with its axes, row by row.

    It is no pyplot figure: nothing keeps it open, and a notebook shows it once, as the value of
    its cell.
    """
    theme()
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08)
    figure = Figure(figsize=(screens.WIDTH, height), layout=layout)
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    return figure, list(axes.flat)


@dataclass(frozen=True)
class Style:
    """Color, dash and marker: each alone tells the series apart."""

    color: str
    dash: Any
    marker: str


def style(index: int) -> Style:
    """Return the style of the series with this index; seven are distinct."""
    i = index % len(PALETTE)
    return Style(PALETTE[i], DASHES[i], MARKERS[i])


#: What experiments call the net with batch norm in every place: it looks the same in every figure.
BATCH_NORM: Final = ("with BN", "batch norm", "full", "1234", "all biases", "both learned")


def series(table: pd.DataFrame, column: str) -> dict[str, Style]:
    """Name the series in `table[column]` with their styles.

    The style follows the category's place in its experiment, so that an arm looks the same in
    every figure of a chapter even where only some arms are shown. Batch norm has the first style
    throughout the book.
    """
    values = table[column]
    categorical = isinstance(values.dtype, pd.CategoricalDtype)
    names = list(values.cat.categories if categorical else values.unique())
    ordered = sorted(names, key=lambda name: name not in BATCH_NORM)
    present = set(values)
    return {str(name): style(ordered.index(name)) for name in names if name in present}


def own_style(index: int) -> Style:
    """Return the style of the reader's own series: a solid line with stars, whatever its color."""
    return replace(style(index), dash="-", marker="*")


def legend(figure: Figure, styles: dict[str, Style]) -> None:
    """Name the series above the axes; nothing to name if there is only one."""
    if len(styles) < 2:
        return
    handles = [
        Line2D([], [], color=s.color, linestyle=s.dash, marker=s.marker) for s in styles.values()
    ]
    screens.add_legend(figure, handles, list(styles))


def label(ax: Axes, x: str = "", y: str = "", title: str = "") -> None:
    """Name the axes and, left-aligned, the panel."""
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    if title:
        ax.set_title(title, loc="left")


def plain(value: float) -> str:
    """Write a number as short as possible, with a true minus."""
    return f"{value:g}".replace("-", "−")


def ticks(axis: Axis, places: Iterable[float], text: Callable[[float], str] = plain) -> None:
    """Put ticks at those of `places` that lie within the limits of the axis, and nowhere else."""
    low, high = sorted(axis.get_view_interval())
    shown = [place for place in places if low <= place <= high]
    axis.set_ticks(shown, [text(place) for place in shown])
    axis.set_minor_locator(NullLocator())


#: Accuracies that may have a tick on the stretched axis, the ones to keep first.
_TICKS: Final = (0.9, 0.99, 0.1, 0.5, 0.98, 0.95, 0.8, 0.995, 0.97, 0.7, 0.999)


def accuracy_axis(ax: Axes, which: str = "y", stretch: pd.Series[float] | None = None) -> None:
    """Show accuracies (0 to 1) in percent.

    With `stretch`, the accuracies to be seen, errors are spaced by their logarithm: 90 to 99%
    then takes as much room as 0 to 90%, and the axis ends a little above the best of them.
    """
    axis = ax.yaxis if which == "y" else ax.xaxis
    if stretch is None:
        axis.set_major_formatter(lambda value, _: _percent(value))
        return
    set_scale, set_limits = (
        (ax.set_yscale, ax.set_ylim) if which == "y" else (ax.set_xscale, ax.set_xlim)
    )
    set_scale("function", functions=(_place, _share))
    bottom = max(0.0, 1 - 1.15 * (1 - float(stretch.min())))
    top = 1 - (1 - float(stretch.max())) / 1.5
    set_limits(bottom, top)
    # Labels lie side by side on x, so they need more room there.
    room = (0.07 if which == "y" else 0.12) * (_place(top) - _place(bottom))
    shown: list[float] = []
    for tick in _TICKS:
        if bottom <= tick <= top and all(abs(_place(tick) - _place(t)) > room for t in shown):
            shown.append(tick)
    ticks(axis, sorted(shown), _percent)


def _percent(share: float) -> str:
    return f"{100 * share:.10g}%"


def _place(share: Any) -> Any:
    """Where on the stretched axis an accuracy stands; a perfect score has a place, too."""
    return -np.log10(np.maximum(1.0005 - np.asarray(share, dtype=float), 1e-6))


def _share(place: Any) -> Any:
    return 1.0005 - 10.0 ** -np.asarray(place, dtype=float)


def log_lr(ax: Axes, rates: Sequence[float]) -> None:
    """Make x a log axis of learning rates with plain numbers at those of `rates` with room."""
    ax.set_xscale("log")
    shown: list[float] = []
    for rate in sorted(set(rates), key=_roundness):
        if all(max(rate / other, other / rate) > 1.75 for other in shown):
            shown.append(rate)
    ticks(ax.xaxis, sorted(shown))
    ax.set_xlabel("learning rate")


def _roundness(value: float) -> tuple[int, float]:
    """Sort 1 and 10 before 3 and 0.2, and these before 0.85."""
    digits = f"{value:e}".partition("e")[0].rstrip("0.")
    return len(digits) + (digits != "1"), value


def log_values(ax: Axes) -> None:
    """Make y a log axis with plain numbers: powers of ten, and steps between over a short range."""
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    quarters, tenths = np.arange(1, 10, 0.25), np.arange(1, 10, 0.1)
    plain_steps = ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 8))
    # Near 1, such as 1.25 and 1.1 first: with them come 0.975 and 0.98.
    for steps in (*plain_steps, quarters[:12], tenths[:20], quarters, tenths):
        places = [s * 10.0**d for d in decades for s in steps if low <= s * 10.0**d <= high]
        if len(places) >= 3:
            break
    ticks(ax.yaxis, places[:: 1 + len(places) // 7], _plain_or_power)
    ax.set_ylim(low, high)


def _plain_or_power(value: float) -> str:
    if 1e-4 < value < 1e5:
        return plain(value)
    mantissa, exponent = f"{value:.0e}".split("e")
    raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{raised}" if mantissa == "1" else f"{mantissa}·10{raised}"
