"""The chapters' verdicts: what a chapter says of a claim, the claims page repeats.

One module per chapter, each with `verdicts(frame)`, a function of its records; what else a module
offers is what its verdicts are made of. `ANSWERS` says which experiment feeds which, `overview`
shows them all.
"""

from bnbook.answers import (
    advice,
    affine,
    bias_removal,
    learning_rate,
    lite,
    other_norms,
    overview,
    per_layer,
)
from bnbook.answers.chapters import ANSWERS, Answer

__all__ = [
    "ANSWERS",
    "Answer",
    "advice",
    "affine",
    "bias_removal",
    "learning_rate",
    "lite",
    "other_norms",
    "overview",
    "per_layer",
]
