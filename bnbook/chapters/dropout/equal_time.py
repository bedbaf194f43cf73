"""Chapter 6 at equal time: dropout and batch norm on few images, each with its batch size."""

from dataclasses import replace
from functools import partial

from bnbook.chapters.dropout.experiments import FEW, variants
from bnbook.experiment import Contrast, Experiment
from bnbook.findings.equal_time import Costs, arms, plan

COSTS: Costs = {
    "neither": {16: 1.3, 64: 2.6, 256: 5.3},
    "batch norm": {16: 2.1, 64: 3.8, 256: 6.3},
    "dropout": {16: 1.7, 64: 3.6, 256: 6.5},
    "norm then dropout": {16: 2.6, 64: 4.5, 256: 7.6},
}
#: Milliseconds of training that every net has: several times what the chapter gave.
BUDGET = 6_000.0
LRS = (0.0003, 0.001, 0.003, 0.01)

DROPOUT_AT_EQUAL_TIME = Experiment(
    name="dropout-equal-time",
    question="Can batch norm replace dropout on few images, in equal time, each with its batch "
    "size?",
    arms=arms(variants(replace(FEW, schedule="cosine")), COSTS, BUDGET),
    plan=partial(plan, costs=COSTS, lrs=LRS),
    # Of nets, each at its best size and rate (`at_best_size`).
    contrasts=(
        Contrast("batch norm", "dropout", "best"),
        Contrast("batch norm", "neither", "best"),
        Contrast("dropout", "neither", "best"),
    ),
)
