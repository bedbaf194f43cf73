"""Figures: each function takes a table from `findings` and returns a matplotlib Figure.

The figure is not pyplot's: it needs no closing, and a notebook shows it once, as SVG, when it is
the value of a cell's last line.
"""

from bnbook.figures.comparisons import (
    curves,
    dots,
    forest,
    lr_curves,
    share_map,
    two_rates,
)
from bnbook.figures.costs import clock, cost_map, ratios, sizes
from bnbook.figures.drawn import beside, blocks
from bnbook.figures.fit import batch_sizes, forests, gaps
from bnbook.figures.inside import affine_histograms, contributions, magnitudes, subsets
from bnbook.figures.landscape import gradient_ranges, over_losses, over_rates
from bnbook.figures.running import causes, gap_sizes, two_courses
from bnbook.theme import INK, PALETTE

__all__ = [
    "INK",
    "PALETTE",
    "affine_histograms",
    "batch_sizes",
    "beside",
    "blocks",
    "causes",
    "clock",
    "contributions",
    "cost_map",
    "curves",
    "dots",
    "forest",
    "forests",
    "gap_sizes",
    "gaps",
    "gradient_ranges",
    "lr_curves",
    "magnitudes",
    "over_losses",
    "over_rates",
    "ratios",
    "share_map",
    "sizes",
    "subsets",
    "two_courses",
    "two_rates",
]
