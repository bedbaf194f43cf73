"""The chapters' verdicts: what a chapter says of a claim, the claims page repeats.

One module per chapter, each with `verdicts(frame)`, a function of its records; what else a module
offers is what its verdicts are made of. `ANSWERS` says which experiment feeds which, `overview`
shows them all.
"""

from bnbook.answers import (
    activations,
    advice,
    affine,
    bias_removal,
    cost,
    dropout,
    inference,
    lab_session,
    learning_rate,
    lite,
    only_norm,
    other_norms,
    overview,
    per_layer,
    starts,
    why,
)
from bnbook.answers.chapters import ANSWERS, Answer

__all__ = [
    "ANSWERS",
    "Answer",
    "activations",
    "advice",
    "affine",
    "bias_removal",
    "cost",
    "dropout",
    "inference",
    "lab_session",
    "learning_rate",
    "lite",
    "only_norm",
    "other_norms",
    "overview",
    "per_layer",
    "starts",
    "why",
]
