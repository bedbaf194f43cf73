"""The posts' own protocols with several seeds, which chapters 1 to 5 read."""

from dataclasses import replace

import pandas as pd

from bnbook.experiment import (
    BATCH_NORM,
    FEW_SEEDS,
    SHARED_LR,
    Experiment,
    grid,
    held_fixed,
    without_one,
)
from bnbook.run import Run

#: Learning rates that the post on the exercises tried for the plain net (claim C2).
POSTED_RATES = (0.05, 0.1, 0.5, 1.0, 2.0, 4.0)

#: The posts' budget: all training images.
_POSTED_PLAIN = Run(
    dataset="mnist_60000", train_size=60_000, epochs=10, eval_epochs=(1, 2, 4, 8, 10)
)
_POSTED = replace(_POSTED_PLAIN, norms=BATCH_NORM)


def _as_posted(experiment: Experiment, frame: pd.DataFrame) -> list[Run]:  # noqa: ARG001
    arms = experiment.arms
    rated = [arms[name] for name in ("without BN", "without BN, padded")]
    return [
        *grid(arms.values(), [SHARED_LR], FEW_SEEDS),
        *grid(rated, POSTED_RATES, FEW_SEEDS),
    ]


AS_POSTED = Experiment(
    name="as-posted",
    question="What comes out if the posts' own protocols are followed, with five seeds?",
    arms={
        "with BN": _POSTED,
        "no hidden biases": replace(_POSTED, conv_bias=False, linear_bias=False),
        "no conv biases": replace(_POSTED, conv_bias=False),
        "no linear biases": replace(_POSTED, linear_bias=False),
        **held_fixed(_POSTED),
        **without_one(_POSTED_PLAIN),
        "without BN": _POSTED_PLAIN,
        "without BN, padded": replace(_POSTED_PLAIN, padding=2),
    },
    plan=_as_posted,
)
