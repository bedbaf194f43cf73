"""Figures: each function takes a table from `findings` and returns a matplotlib Figure.

The figure is not pyplot's: it needs no closing, and a notebook shows it once, as SVG, when it is
the value of a cell's last line.
"""

from bnbook.figures.comparisons import (
    contrast_name,
    curves,
    dots,
    forest,
    lr_curves,
    share,
    share_map,
    two_rates,
)
from bnbook.figures.fit import batch_sizes, gaps
from bnbook.figures.inside import affine_histograms, contributions, gradients, magnitudes, subsets
from bnbook.figures.theme import INK, PALETTE, WIDTH, theme

__all__ = [
    "INK",
    "PALETTE",
    "WIDTH",
    "affine_histograms",
    "batch_sizes",
    "contrast_name",
    "contributions",
    "curves",
    "dots",
    "forest",
    "gaps",
    "gradients",
    "lr_curves",
    "magnitudes",
    "share",
    "share_map",
    "subsets",
    "theme",
    "two_rates",
]
