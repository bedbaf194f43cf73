"""Chapter 8: which mistakes in a batch norm show under strain."""

import pandas as pd

from bnbook.experiment import LATER_SEEDS, SHARED_LR, Experiment, grid
from bnbook.run import Run
from bnbook.studies import by_hand

#: Chapter 8's recipe, in the book's MLP.
_RUN = Run(
    model="mlp",
    norms=("batch", "batch"),
    activation="relu",
    linear_bias=False,
    batch_size=100,
    train_size=3_000,
    epochs=5,
)


def _twenty(experiment: Experiment, frame: pd.DataFrame) -> list[Run]:  # noqa: ARG001
    return grid(experiment.arms.values(), [SHARED_LR], LATER_SEEDS)


#: One run trains with every code. The primary comparison: each code with the correct one, at the
#: end and under each strain, paired by seed, margin `MARGIN`, Holm over the codes of a strain.
STRAINS = Experiment(
    name="by-hand-strains",
    chapter=8,
    question="Which mistakes in a batch norm cost accuracy when training ends, or under strain?",
    arms={"every code": _RUN},
    plan=_twenty,
    measure=by_hand.measure,
)

EXPERIMENTS = (STRAINS,)
