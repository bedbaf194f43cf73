"""An experiment of two short runs a seed."""

from dataclasses import replace

from bnbook.experiment import Experiment, grid
from bnbook.run import Run

TINY = Run(dataset="digits", epochs=1, train_size=256, lr=0.5)
ARMS = {"with BN": replace(TINY, norms=("batch",) * 4), "without BN": TINY}


def tiny(*seeds):
    def plan(experiment, _):
        return grid(experiment.arms.values(), [0.5], seeds)

    return Experiment("tiny", "Does it work?", ARMS, plan)
