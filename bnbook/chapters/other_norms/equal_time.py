"""Chapter 7 at equal time: the norms that lead, each with its batch size."""

from dataclasses import replace
from functools import partial

from bnbook.chapters.other_norms.experiments import NORMS, REFERENCE
from bnbook.experiment import Experiment, against
from bnbook.findings.equal_time import Costs, arms, plan
from bnbook.run import Run

COSTS: Costs = {
    "batch norm": {32: 3.0, 64: 4.8, 128: 8.3},
    "whitening": {32: 8.6, 64: 11.5, 128: 17.2},
    "whitening by Newton": {32: 9.7, 64: 13.2, 128: 20.3},
    "block whitening": {32: 7.2, 64: 10.1, 128: 15.9},
    "Monarch whitening": {32: 10.3, 64: 14.2, 128: 21.9},
}
#: Milliseconds of training that every net has: several times what the chapter gave.
BUDGET = 25_000.0
LRS = (1.0, 2.0, 4.0, 8.0)

_NORMED = Run(train_size=10_000, schedule="cosine")

NORMS_AT_EQUAL_TIME = Experiment(
    name="norms-equal-time",
    question="Are the leading norms ahead of batch norm in equal time, each with its batch size?",
    arms=arms(
        {name: replace(_NORMED, norms=(NORMS[name],) * 4) for name in COSTS},
        COSTS,
        BUDGET,
    ),
    plan=partial(plan, costs=COSTS, lrs=LRS),
    # Of nets, each at its best size and rate (`at_best_size`).
    contrasts=against(REFERENCE, [name for name in COSTS if name != REFERENCE], ["best"]),
)
