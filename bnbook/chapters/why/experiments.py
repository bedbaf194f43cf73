"""Chapter 10: why it works. Two studies, of nets on their way and of where they arrive.

What is compared, and what counts as what, stands here and in `answers.why`; both were written
before any of it was run.
"""

from dataclasses import replace

import pandas as pd

from bnbook.experiment import BATCH_NORM, LATER_SEEDS, SHARED_LR, Contrast, Experiment, grid
from bnbook.findings.landscape import ON_THE_WAY
from bnbook.run import Run
from bnbook.studies import curvature, equal_loss, landscape

WHY_SEEDS = (0, 1, 2, 3, 4)
#: From cautious to where few nets without batch norm train.
SHARPNESS_RATES = (0.02, 0.1, 0.5, 2.0)

_SIGMOID = Run(epochs=5)
_RELU = replace(_SIGMOID, activation="relu")


#: At equal loss: the same but for sizes, and three that no scale of the weights can move.
AT_EQUAL_LOSS = (
    "drift",
    "drift_before",
    "shift",
    "variation",
    "unpredictability",
    "roughness",
    "sharpness",
    "relative_sharpness",
    "relative_roughness",
)
_LATER_FIVE = LATER_SEEDS[:5]
#: Ten passes over all training images, of which most nets need a fraction.
_UP_TO = replace(_SIGMOID, train_size=50_000, epochs=10, eval_epochs=(1, 3, 10))
_UP_TO_RELU = replace(_UP_TO, activation="relu")


def _noisy(sigmoid: Run, relu: Run) -> dict[str, Run]:
    """Set noisy batch norm beside batch norm and none (Santurkar et al. 2018, section 2.1)."""
    return {
        f"{kind}, {name}": run
        for kind, plain in (("sigmoid", sigmoid), ("ReLU", relu))
        for name, run in (
            ("with BN", replace(plain, norms=BATCH_NORM)),
            ("noisy BN", replace(plain, norms=BATCH_NORM, norm_noise=True)),
            ("without BN", plain),
        )
    }


def _later(experiment: Experiment, frame: pd.DataFrame) -> list[Run]:  # noqa: ARG001
    return grid(experiment.arms.values(), [SHARED_LR], _LATER_FIVE)


def _at_shared(experiment: Experiment, frame: pd.DataFrame) -> list[Run]:  # noqa: ARG001
    return grid(experiment.arms.values(), [SHARED_LR], WHY_SEEDS)


def _at_rates(experiment: Experiment, frame: pd.DataFrame) -> list[Run]:  # noqa: ARG001
    return grid(experiment.arms.values(), SHARPNESS_RATES, WHY_SEEDS)


EXPERIMENTS = (
    Experiment(
        name="landscape",
        chapter=10,
        question="What does batch norm change in a net, and around it, while it trains?",
        arms={
            "sigmoid, with BN": replace(_SIGMOID, norms=BATCH_NORM),
            "sigmoid, without BN": _SIGMOID,
            "ReLU, with BN": replace(_RELU, norms=BATCH_NORM),
            "ReLU, without BN": _RELU,
        },
        plan=_at_shared,
        contrasts=tuple(
            Contrast(f"{kind}, with BN", f"{kind}, without BN", SHARED_LR, outcome)
            for kind in ("ReLU", "sigmoid")
            for outcome in ON_THE_WAY
        ),
        measure=landscape.measure,
    ),
    Experiment(
        name="sharpness",
        chapter=10,
        question="Do larger learning rates end in flatter places, and do these generalize better?",
        arms={
            "ReLU, with BN": replace(_RELU, norms=BATCH_NORM),
            "ReLU, without BN": _RELU,
            "sigmoid, with BN": replace(_SIGMOID, norms=BATCH_NORM),
        },
        plan=_at_rates,
        measure=curvature.measure,
    ),
    Experiment(
        name="equal-loss",
        chapter=10,
        question="What is different around nets with and without batch norm at the same loss?",
        arms={
            "sigmoid, with BN": replace(_UP_TO, norms=BATCH_NORM),
            "sigmoid, without BN": _UP_TO,
            "ReLU, with BN": replace(_UP_TO_RELU, norms=BATCH_NORM),
            "ReLU, without BN": _UP_TO_RELU,
        },
        plan=_later,
        contrasts=tuple(
            Contrast(f"{kind}, with BN", f"{kind}, without BN", SHARED_LR, outcome)
            for kind in ("ReLU", "sigmoid")
            for outcome in AT_EQUAL_LOSS
        ),
        measure=equal_loss.measure,
    ),
    Experiment(
        name="noisy-norm",
        chapter=10,
        question="Does batch norm still help when noise takes its steady distributions away?",
        arms=_noisy(_UP_TO, _UP_TO_RELU),
        plan=_later,
        contrasts=tuple(
            Contrast(f"{kind}, {a}", f"{kind}, {b}", SHARED_LR)
            for kind in ("ReLU", "sigmoid")
            for a, b in (("noisy BN", "with BN"), ("noisy BN", "without BN"))
        ),
    ),
    Experiment(
        name="noisy-drift",
        chapter=10,
        question="How far do the inputs of activations drift where noise follows batch norm?",
        arms=_noisy(_SIGMOID, _RELU),
        plan=_later,
        contrasts=tuple(
            Contrast(f"{kind}, noisy BN", f"{kind}, {b}", SHARED_LR, "drift")
            for kind in ("ReLU", "sigmoid")
            for b in ("with BN", "without BN")
        ),
        measure=landscape.measure,
    ),
)
