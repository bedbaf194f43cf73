"""Colors, styles and axes of figures, and how a notebook shows them."""

import re

import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from tables import table

from bnbook import figures, findings, screens
from bnbook.theme import DASHES, MARKERS, log_values, series, style

WHITE, DARK = "#ffffff", "#222222"


def luminance(color):
    """Relative luminance as WCAG 2.1 defines it."""
    channels = np.array(to_rgb(color))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def contrast(one, other):
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("color", [figures.INK, *figures.PALETTE])
@pytest.mark.parametrize("background", [WHITE, DARK])
def test_every_color_has_three_to_one_on_light_and_dark(color, background):
    assert contrast(color, background) >= 3


def test_series_differ_in_color_in_dash_and_in_marker():
    assert len(set(figures.PALETTE)) == len(set(map(str, DASHES))) == len(set(MARKERS)) == 7
    assert len({style(i) for i in range(7)}) == 7


def test_an_arm_keeps_its_style_when_others_are_left_out():
    both = findings.summary(table({"a": [0.95, 0.96], "b": [0.9, 0.91]}))
    alone = both[both["arm"] == "b"]
    assert series(alone, "arm") == {"b": series(both, "arm")["b"]}


@pytest.mark.parametrize("span", [(0.22, 0.34), (0.9, 1.3), (1.08, 1.44), (0.02, 0.5), (1e-6, 1)])
def test_a_log_axis_has_at_least_three_ticks_however_short(span):
    ax = Figure().subplots()
    ax.set_ylim(*span)
    log_values(ax)
    labels = [text.get_text() for text in ax.get_yticklabels()]
    assert len(labels) >= 3
    assert len(set(labels)) == len(labels)


def test_notebook_shows_svg_with_its_full_width():
    shell = InteractiveShell.instance()
    try:
        figure = figures.curves(
            findings.summary(table({"a": [0.95, 0.96]}), ["arm", "epoch"]), ylabel="accuracy"
        )
        shown, _ = shell.display_formatter.format(figure)
    finally:
        InteractiveShell.clear_instance()
    assert "image/svg+xml" in shown
    assert "image/png" not in shown
    width = re.search(r'width="([\d.]+)pt"', shown["image/svg+xml"])
    assert float(width.group(1)) == pytest.approx(72 * screens.WIDTH)
