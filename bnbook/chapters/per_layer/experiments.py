"""Chapter 3: batch norm in every subset of the four places."""

import pandas as pd

from bnbook.experiment import (
    FEW_SEEDS,
    LATER_SEEDS,
    Contrast,
    Experiment,
    against,
    grid,
    subsets,
)
from bnbook.run import Run

LAYER_LRS = (0.1, 1.0)
#: The slots that hold a norm where one is taken out: the first, the second, ...
WITHOUT_ONE = ("234", "134", "124", "123")

_LAYERS = Run(train_size=50_000, epochs=8, eval_epochs=(1, 2, 4, 8))


def _per_layer(experiment: Experiment, frame: pd.DataFrame) -> list[Run]:  # noqa: ARG001
    return grid(experiment.arms.values(), LAYER_LRS, FEW_SEEDS)


def _again(experiment: Experiment, frame: pd.DataFrame) -> list[Run]:  # noqa: ARG001
    return grid(experiment.arms.values(), LAYER_LRS, LATER_SEEDS[:10])


PER_LAYER = Experiment(
    name="per-layer",
    question="Does every layer need its batch norm?",
    arms=subsets(_LAYERS),
    plan=_per_layer,
    contrasts=against("1234", WITHOUT_ONE, LAYER_LRS),
)
PER_LAYER_AGAIN = Experiment(
    name="per-layer-again",
    question="Which layer's batch norm is missed most? Ten fresh seeds",
    arms={name: run for name, run in subsets(_LAYERS).items() if name in ("1234", *WITHOUT_ONE)},
    plan=_again,
    contrasts=(
        *against("1234", WITHOUT_ONE, LAYER_LRS),
        # Is the first one missed more than each of the others?
        *(Contrast("234", other, lr) for lr in LAYER_LRS for other in WITHOUT_ONE[1:]),
    ),
)

EXPERIMENTS = (PER_LAYER, PER_LAYER_AGAIN)
