"""Chapter 5: gamma and beta, learned and held fixed."""

from dataclasses import replace

from bnbook.experiment import (
    BATCH_NORM,
    SHARED_LR,
    Experiment,
    against,
    tuned,
)
from bnbook.run import Run

_PLAIN = Run(train_size=50_000, epochs=10, eval_epochs=(1, 2, 3, 5, 7, 10))
_FULL = replace(_PLAIN, norms=BATCH_NORM)

AFFINE = Experiment(
    name="affine",
    question="What do gamma and beta do for the net, and what happens when they are fixed?",
    arms={
        "both learned": _FULL,
        "gamma fixed": replace(_FULL, affine="beta"),
        "beta fixed": replace(_FULL, affine="gamma"),
        "both fixed": replace(_FULL, affine="none"),
    },
    plan=tuned,
    contrasts=against(
        "both learned",
        ("gamma fixed", "beta fixed", "both fixed"),
        [SHARED_LR, "best"],
    ),
)

EXPERIMENTS = (AFFINE,)
