"""What taking one norm out of the full net costs, and whether the first is missed most."""

from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

from bnbook import findings
from bnbook.chapters.per_layer.experiments import (
    LAYER_LRS,
    PER_LAYER,
    PER_LAYER_AGAIN,
    WITHOUT_ONE,
)
from bnbook.experiment import Experiment
from bnbook.findings import decisions
from bnbook.models import LENET_LAYERS

#: The layers that a norm may follow, from the image to the output.
LAYERS: Final = LENET_LAYERS[:-1]
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


def deciding(records: Mapping[str, pd.DataFrame]) -> tuple[pd.DataFrame, Experiment]:
    """Return the runs that decide, with their experiment: ten fresh seeds if they are recorded."""
    experiment = PER_LAYER_AGAIN if PER_LAYER_AGAIN.name in records else PER_LAYER
    return records[experiment.name], experiment


def costs(frame: pd.DataFrame, experiment: Experiment) -> pd.DataFrame:
    """Compare each net that lacks one norm with the full one, in test accuracy.

    The rows of `findings.contrasts`, four per learning rate, with the `layer`.
    """
    rows = findings.contrasts(frame, experiment.contrasts)
    rows = rows[rows["b"] == FULL]
    return rows.assign(layer=rows["a"].map(LACKING))


def firsts(frame: pd.DataFrame, experiment: Experiment) -> pd.DataFrame:
    """Compare the net without the first norm with those without another one, in test accuracy.

    The rows of `findings.contrasts`, three per learning rate, with the `layer` of the other norm:
    below zero, the first is missed more. Where the experiment did not declare these comparisons,
    they are adjusted among the three of their rate.
    """
    first, *others = WITHOUT_ONE
    if any(contrast.a == first and contrast.b in others for contrast in experiment.contrasts):
        rows = findings.contrasts(frame, experiment.contrasts)
        rows = rows[(rows["a"] == first) & rows["b"].isin(others)]
    else:
        rows = pd.concat(
            findings.compared(
                [findings.paired(frame[frame["lr"] == lr], first, other) for other in others]
            ).assign(lr=f"{lr:g}")
            for lr in LAYER_LRS
        )
    return rows.assign(layer=rows["b"].map(LACKING))


def missed_most(rows: pd.DataFrame) -> str:
    """Decide from rows of `firsts` at one rate whether the first norm is missed most."""
    each: list[Any] = rows.to_dict("records")
    found = {decisions.below(row) for row in each}
    if found == {decisions.SUPPORTED}:
        return decisions.SUPPORTED
    return decisions.REFUTED if decisions.REFUTED in found else decisions.UNDECIDED


def early_gap(posted: pd.DataFrame, epoch: int, lr: float) -> findings.Interval:
    """Compare, by the source's recipe, the net without the first norm with that without the last.

    The difference in accuracy after `epoch`, paired by seed; below zero, the first is missed more.
    """
    rows = posted[(posted["epoch"] == epoch) & (posted["lr"] == lr)]
    wide = rows.pivot_table(index="seed", columns="arm", values="val_accuracy", observed=True)
    return findings.interval((wide["without norm 1"] - wide["without norm 4"]).dropna())
