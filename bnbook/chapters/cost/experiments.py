"""Chapter 12: how soon a net reaches an accuracy, each arm at the rate that gets it there first."""

from dataclasses import replace

import pandas as pd

from bnbook.experiment import (
    BATCH_NORM,
    FEW_SEEDS,
    TUNING_SEEDS,
    Experiment,
    grid,
    recorded,
)
from bnbook.findings.reaching import STEPS, arm_name, quickest_lr
from bnbook.run import Run

#: Source B's net in numpy, which is timed beside them.
NUMPY = "MLP in numpy"
#: Names of what is timed in the norm's place.
NONE, BATCH = "none", "batch"

_EVALUATED = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 19, 24, 30, 37, 46, 58, 72, 90, 112, 140, 175, 220)


def _arm(run: Run, epochs: int) -> Run:
    """Let `run` train for `STEPS * epochs` steps, a budget that reaches the target with room."""
    evaluated = tuple(epoch for epoch in _EVALUATED if epoch < epochs)
    return replace(run, train_size=50_000, epoch_steps=STEPS, epochs=epochs, eval_epochs=evaluated)


_SIGMOID = Run()
_RELU = Run(activation="relu", pooling="max", init="he")
_MLP = Run(model="mlp", activation="relu", init="he", optimizer="adam", batch_size=256)

#: Per net: its run without a norm and with batch norm, and the learning rates tried with both.
#: The primary comparison is within a net: steps to the higher target, paired by seed.
NETS: dict[str, tuple[Run, Run, tuple[float, ...]]] = {
    "LeNet, sigmoids": (
        _arm(_SIGMOID, 300),
        _arm(replace(_SIGMOID, norms=BATCH_NORM), 100),
        (2.0, 4.0, 8.0),
    ),
    "LeNet, ReLU": (
        _arm(_RELU, 60),
        _arm(replace(_RELU, norms=BATCH_NORM), 40),
        (0.1, 0.3, 1.0),
    ),
    "MLP, ReLU": (
        _arm(_MLP, 60),
        _arm(replace(_MLP, norms=("batch",) * 2), 60),
        (0.001, 0.003, 0.01),
    ),
}


def _plan(experiment: Experiment, frame: pd.DataFrame) -> list[Run]:
    """Tune every arm; then fresh seeds at its quickest rate."""
    runs = []
    for net, (*_, lrs) in NETS.items():
        for name in (arm_name(net, normed=normed) for normed in (False, True)):
            arm = experiment.arms[name]
            tuning = grid([arm], lrs, TUNING_SEEDS)
            runs += tuning
            if recorded(tuning, frame):
                runs += grid([arm], [quickest_lr(frame, name)], FEW_SEEDS)
    return runs


TIME_TO_ACCURACY = Experiment(
    name="time-to-accuracy",
    question="How soon does a net reach an accuracy, with batch norm and without?",
    arms={
        arm_name(net, normed=normed): run
        for net, (*runs, _) in NETS.items()
        for normed, run in zip((False, True), runs, strict=True)
    },
    plan=_plan,
)

EXPERIMENTS = (TIME_TO_ACCURACY,)
