"""Chapter 10: why it works. Nets on their way, at equal loss, at their end, and disturbed by noise.

What is compared, and by which outcome, was written down before any of it was run.
"""

from dataclasses import replace
from functools import partial

from bnbook.experiment import BATCH_NORM, LATER_SEEDS, SHARED_LR, Contrast, Experiment, fixed
from bnbook.findings.landscape import ON_THE_WAY
from bnbook.run import Run
from bnbook.studies import curvature, equal_loss, landscape

WHY_SEEDS = (0, 1, 2, 3, 4)
#: From cautious to where few nets without batch norm train.
SHARPNESS_RATES = (0.02, 0.1, 0.5, 2.0)
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

#: The activations, each with the beginning of its arms' names.
KINDS = ("ReLU", "sigmoid")
WITH, NOISY, WITHOUT = "with BN", "noisy BN", "without BN"

_SHORT = Run(epochs=5)
#: Ten passes over all training images, of which most nets need a fraction.
_LONG = Run(train_size=50_000, epochs=10, eval_epochs=(1, 3, 10))
_LATER = partial(fixed, lrs=[SHARED_LR], seeds=LATER_SEEDS[:5])


def _nets(plain: Run) -> dict[str, Run]:
    return {
        f"{kind}, {name}": replace(plain, activation=activation, norms=norms)
        for kind, activation in (("sigmoid", "sigmoid"), ("ReLU", "relu"))
        for name, norms in ((WITH, BATCH_NORM), (WITHOUT, plain.norms))
    }


def _noisy(plain: Run) -> dict[str, Run]:
    """Set noisy batch norm beside batch norm and none (Santurkar et al. 2018, section 2.1)."""
    nets = _nets(plain)
    return {
        f"{kind}, {name}": run
        for kind in ("sigmoid", "ReLU")
        for name, run in (
            (WITH, nets[f"{kind}, {WITH}"]),
            (NOISY, replace(nets[f"{kind}, {WITH}"], norm_noise=True)),
            (WITHOUT, nets[f"{kind}, {WITHOUT}"]),
        )
    }


def _pairs(a: str, b: str, *outcomes: str) -> tuple[Contrast, ...]:
    return tuple(
        Contrast(f"{kind}, {a}", f"{kind}, {b}", SHARED_LR, outcome)
        for kind in KINDS
        for outcome in outcomes
    )


LANDSCAPE = Experiment(
    name="landscape",
    question="What does batch norm change in a net, and around it, while it trains?",
    arms=_nets(_SHORT),
    plan=partial(fixed, lrs=[SHARED_LR], seeds=WHY_SEEDS),
    contrasts=_pairs(WITH, WITHOUT, *ON_THE_WAY),
    measure=landscape.measure,
)

SHARPNESS = Experiment(
    name="sharpness",
    question="Do larger learning rates end in flatter places, and do these generalize better?",
    arms={
        name: _nets(_SHORT)[name]
        for name in ("ReLU, with BN", "ReLU, without BN", "sigmoid, with BN")
    },
    plan=partial(fixed, lrs=SHARPNESS_RATES, seeds=WHY_SEEDS),
    measure=curvature.measure,
)

EQUAL_LOSS = Experiment(
    name="equal-loss",
    question="What is different around nets with and without batch norm at the same loss?",
    arms=_nets(_LONG),
    plan=_LATER,
    contrasts=_pairs(WITH, WITHOUT, *AT_EQUAL_LOSS),
    measure=equal_loss.measure,
)

NOISY_NORM = Experiment(
    name="noisy-norm",
    question="Does batch norm still help when noise takes its steady distributions away?",
    arms=_noisy(_LONG),
    plan=_LATER,
    contrasts=tuple(
        Contrast(f"{kind}, {NOISY}", f"{kind}, {other}", SHARED_LR)
        for kind in KINDS
        for other in (WITH, WITHOUT)
    ),
)

NOISY_DRIFT = Experiment(
    name="noisy-drift",
    question="How far do the inputs of activations drift where noise follows batch norm?",
    arms=_noisy(_SHORT),
    plan=_LATER,
    contrasts=tuple(
        Contrast(f"{kind}, {NOISY}", f"{kind}, {other}", SHARED_LR, "drift")
        for kind in KINDS
        for other in (WITH, WITHOUT)
    ),
    measure=landscape.measure,
)

EXPERIMENTS = (LANDSCAPE, SHARPNESS, EQUAL_LOSS, NOISY_NORM, NOISY_DRIFT)
