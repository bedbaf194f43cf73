"""A figure for two widths of screen: as it was drawn, and narrower, with its panels stacked.

Scaled down to a phone, letters of 11 points would have 8 pixels. So a page gets a second drawing,
which travels within the first: the same figure on less paper, in letters of the same size.
"""

from __future__ import annotations

import io
import itertools
import textwrap
from collections.abc import Sequence
from typing import Any, Final

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.ticker import FixedLocator

#: Inches: of the column of text, and of paper whose 11 points are 12 pixels on a phone of 390.
WIDTH: Final = 7.0
NARROW: Final = 4.6
#: Characters of a label that stand on an inch, and those of a legend's entry beside its text.
_PER_INCH: Final = 10.9
_KEY: Final = 8
#: Characters by which a label may be longer than its axis.
_OVER: Final = 4
#: Characters that a line of a row's name may have in any case, and the inches that it takes.
_NAME: Final = 18
_LINE: Final = 0.25
#: Letters in drawings, against those of the wide form.
_SMALLER: Final = 0.85
#: Panels side by side that have room on a narrow screen where they are many and small.
_MANY: Final = 4

#: How the narrow drawing begins within the wide one, and by itself.
_HIDDEN: Final = '<svg class="narrow" display="none"'
_START: Final = "<svg"


def both(figure: Figure) -> str:
    """Write a figure as SVG, with its narrow form, not shown, within; the figure stays narrow.

    There is none where names among the data would then cover each other.
    """
    wide = _svg(figure, "wide")
    narrow(figure)
    if any(_collide(ax) for ax in figure.axes):
        return wide
    drawing = _svg(figure, "narrow").partition(_START)[2]
    before, end, after = wide.rpartition("</svg>")
    return f"{before}{drawing.join((_HIDDEN, end))}{after}"


def split(svg: str) -> tuple[str, str] | None:
    """Take `both` apart again into the wide and the narrow drawing; None for any other SVG."""
    before, hidden, rest = svg.partition(_HIDDEN)
    drawing, end, after = rest.rpartition("</svg>")
    return (before + end + after, f"{_START}{drawing}") if hidden else None


def _svg(figure: Figure, salt: str) -> str:
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": f"bnbook {salt}"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def narrow(figure: Figure) -> None:
    """Lay a figure of panels in a grid out anew on narrow paper."""
    panels = [ax for ax in figure.axes if ax.get_visible()]
    figure.set_size_inches(NARROW, _stack(figure, panels))
    for legend in [*figure.legends]:
        names = [text.get_text() for text in legend.get_texts()]
        legend.remove()
        add_legend(figure, [one for one in legend.legend_handles if one], names, NARROW)
    figure.draw_without_rendering()
    for ax in panels:
        _wrap_rows(ax, figure.dpi)
    figure.draw_without_rendering()
    for ax in panels:
        # With other ticks the layout would be another, and so on.
        ax.xaxis.set_major_locator(FixedLocator(list(ax.get_xticks())))
        place, tall = ax.get_position(), figure.get_figheight()
        room = int(_PER_INCH * NARROW * place.width) + _OVER
        ax.set_xlabel(textwrap.fill(ax.get_xlabel(), room))
        ax.set_ylabel(textwrap.fill(ax.get_ylabel(), int(_PER_INCH * tall * place.height) + _OVER))
        ax.set_title(textwrap.fill(ax.get_title("left"), room), loc="left")
        if not ax.axison:  # a drawing, whose boxes are as large as their texts
            for text in ax.texts:
                text.set_fontsize(_SMALLER * float(text.get_fontsize()))
    figure.draw_without_rendering()
    for ax in panels:
        _thin(ax)


def _wrap_rows(ax: Axes, dpi: float) -> None:
    """Break the names of rows into as many lines as there is room for."""
    names = [tick.get_text() for tick in ax.get_yticklabels()]
    longest = max(map(len, names), default=0)
    if longest <= _NAME:
        return
    tall = ax.get_window_extent().height / dpi
    lines = max(1, int(tall / len(names) / _LINE))
    wrapped = (
        [textwrap.wrap(name, width) for name in names] for width in range(_NAME, longest + 1)
    )
    fitting = next(some for some in wrapped if max(map(len, some)) <= lines)
    ax.set_yticks(ax.get_yticks(), ["\n".join(parts) for parts in fitting])


def _stack(figure: Figure, panels: Sequence[Axes]) -> float:
    """Put panels that stand side by side below each other; return the height of the figure.

    Those of a grid stay where they are if its rows or columns mean something: then not every panel
    has a title of its own.
    """
    place: Any = panels[0].get_subplotspec()
    grid = place.get_gridspec()
    height = float(figure.get_figheight())
    titles = {ax.get_title("left") for ax in panels}
    if grid.ncols == 1 or (grid.nrows > 1 and len(titles - {""}) < len(panels)):
        return height
    across = 2 if grid.ncols >= _MANY else 1
    down = -(-len(panels) // across)
    places = GridSpec(down, across, figure=figure)
    ylabel = panels[0].get_ylabel()
    for i, ax in enumerate(panels):
        ax.set_subplotspec(places[divmod(i, across)])
        ax.tick_params(labelbottom=panels[-1].xaxis.get_tick_params()["labelbottom"])
        ax.set_xlabel(ax.get_xlabel() or panels[-1].get_xlabel())
        if i % across == 0:
            ax.tick_params(labelleft=panels[0].yaxis.get_tick_params()["labelleft"])
            ax.set_ylabel(ax.get_ylabel() or ylabel)
    return height / int(grid.nrows) * down


def _collide(ax: Axes) -> bool:
    boxes = [text.get_window_extent() for text in ax.texts if text.get_text()]
    return any(one.overlaps(two) for one, two in itertools.combinations(boxes, 2))


def _thin(ax: Axes) -> None:
    """Leave out labels below the axis that would run into one before."""
    end = -float("inf")
    low, high = sorted(ax.get_xlim())
    for tick in sorted(ax.xaxis.get_major_ticks(), key=lambda tick: tick.get_loc()):
        label = tick.label1
        seen = label.get_visible() and label.get_text() and low <= tick.get_loc() <= high
        if not seen or label.get_rotation():
            continue
        box = label.get_window_extent()
        if box.x0 < end:
            label.set_visible(False)
        else:
            end = box.x1 + 6


def add_legend(
    figure: Figure, handles: Sequence[Artist], names: Sequence[str], width: float = WIDTH
) -> None:
    """Name the series above the axes, in as many columns as fit into so many inches."""
    widest = max(map(len, names)) + _KEY
    columns = max(1, min(len(names), int(_PER_INCH * width) // widest))
    options: dict[str, Any] = {"loc": "outside upper left", "borderpad": 0}
    figure.legend(handles, names, ncols=columns, **options)
