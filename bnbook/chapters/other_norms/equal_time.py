"""Chapter 7 at equal time: the norms that lead, each with its batch size."""

from dataclasses import replace
from functools import partial

from bnbook.experiment import Experiment, against
from bnbook.findings.equal_time import Costs, arms, plan
from bnbook.run import Run

#: Milliseconds of one step by batch size, one thread: the least that chapters 6, 7 and 12 recorded
#: on one machine. Where they have none, a straight line between two sizes, or for Newton and
#: Monarch at 32 the ratio that whitening has. They fix the number of steps, the same everywhere;
#: the seconds that a run took are recorded with it.
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

_KINDS = {
    "batch norm": "batch",
    "whitening": "zca",
    "whitening by Newton": "newton",
    "block whitening": "block",
    "Monarch whitening": "monarch",
}
_NORMED = Run(train_size=10_000, schedule="cosine")

NORMS_AT_EQUAL_TIME = Experiment(
    name="norms-equal-time",
    question="Are the leading norms ahead of batch norm in equal time, each with its batch size?",
    arms=arms(
        {name: replace(_NORMED, norms=(kind,) * 4) for name, kind in _KINDS.items()},
        COSTS,
        BUDGET,
    ),
    plan=partial(plan, costs=COSTS, lrs=LRS),
    # Of nets, each at its best size and rate (`at_best_size`).
    contrasts=against("batch norm", [name for name in _KINDS if name != "batch norm"], ["best"]),
)
