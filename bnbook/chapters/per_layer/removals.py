"""What taking one norm out of the full net costs, and whether the first is missed most."""

from typing import Any, Final

import pandas as pd

from bnbook import findings
from bnbook.chapters.per_layer.experiments import WITHOUT_ONE
from bnbook.findings import decisions
from bnbook.models import LENET_SLOTS

#: The layers that a norm may follow, from the image to the output.
LAYERS: Final = LENET_SLOTS
FULL: Final = "1234"
#: Nets that lack one norm, by the digits of the norms that they have, and the layer without.
LACKING: Final = dict(zip(WITHOUT_ONE, LAYERS, strict=True))
#: What the lab shows beside a reader's run.
LAB: Final = {
    "All four norms": FULL,
    "Without conv1's": "234",
    "Without fc2's": "123",
    "No norm": "none",
}


def costs(rows: pd.DataFrame) -> pd.DataFrame:
    """Select how each net that lacks one norm compares with the full one, in test accuracy.

    `rows` are `findings.contrasts` of "per-layer-again"; four per learning rate, with the `layer`.
    """
    rows = rows[rows["b"] == FULL]
    return rows.assign(layer=rows["a"].map(LACKING))


def firsts(rows: pd.DataFrame) -> pd.DataFrame:
    """Select how the net without the first norm compares with those without another one.

    `rows` as for `costs`; three per learning rate, with the `layer` of the other norm: below zero,
    the first is missed more.
    """
    rows = rows[rows["b"] != FULL]
    return rows.assign(layer=rows["b"].map(LACKING))


def earlier(cube: pd.DataFrame, lr: float) -> pd.DataFrame:
    """Compare as `firsts` does in the runs of "per-layer", which had planned no such comparison.

    At the rate `lr`, adjusted among the three.
    """
    frame = cube[cube["lr"] == lr]
    first, *others = WITHOUT_ONE
    return findings.compared([findings.paired(frame, first, other) for other in others])


def missed_most(rows: pd.DataFrame) -> str:
    """Decide from rows of `firsts` at one rate whether the first norm is missed most."""
    each: list[Any] = rows.to_dict("records")
    return decisions.every(*map(decisions.below, each))


def gap(posted: pd.DataFrame, epoch: int, lr: float) -> findings.Interval:
    """Compare, by the source's recipe, the net without the first norm with that without the last.

    The difference in accuracy after `epoch`, paired by seed; below zero, the first is missed more.
    """
    rows = posted[(posted["epoch"] == epoch) & (posted["lr"] == lr)]
    return findings.paired(rows, "without norm 1", "without norm 4", "val_accuracy").gap
