"""Chapter 8: which mistakes in a batch norm show in training, at its end, or under strain."""

import math
from functools import partial

from bnbook.experiment import LATER_SEEDS, SHARED_LR, Experiment, fixed
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


#: Names in `by_hand.CODES`, by what is wrong: the formula, the gradient, what is kept.
MISTAKES = (
    *("variance squared", "wrong length", "whole array", "no epsilon", "unbiased deviation"),
    *("wrong order", "wrong layer"),
    *("running deviation", "biased kept", "momentum 0.9", "moves in evaluation"),
    "plain attributes",
)
#: Where a group of mistakes ends.
GROUPS = (5, 7, 12)
#: The norm of the lab session, with all that it does differently.
SHEET = "lab session"
#: Losses within 5% count as equal, as accuracies do within `MARGIN`.
LOSS_MARGIN = math.log(1.05)

#: One run trains with every code. The primary comparison: each code with the correct one, in the
#: loss of the last epoch, in accuracy at the end and under each strain, paired by seed, margins
#: `LOSS_MARGIN` and `MARGIN`, Holm over the codes of an outcome. A first recording had neither
#: losses nor the two gradients; the seeds, and what it had, are the same.
STRAINS = Experiment(
    name="by-hand-strains",
    question="Which mistakes in a batch norm show in training, at its end, or under strain?",
    arms={"every code": _RUN},
    plan=partial(fixed, lrs=[SHARED_LR], seeds=LATER_SEEDS),
    measure=by_hand.measure,
)

EXPERIMENTS = (STRAINS,)
